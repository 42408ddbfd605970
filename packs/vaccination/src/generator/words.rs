//! Words that synthetic people, sites and complaints are made of. Nobody real is behind them.

use crate::columns::Column;

/// Surnames with how common they are.
pub(crate) const SURNAMES: [(&str, u32); 30] = [
    ("Nguyễn", 34),
    ("Trần", 12),
    ("Lê", 10),
    ("Phạm", 7),
    ("Huỳnh", 6),
    ("Phan", 5),
    ("Vũ", 3),
    ("Võ", 4),
    ("Đặng", 3),
    ("Bùi", 3),
    ("Đỗ", 2),
    ("Hồ", 2),
    ("Ngô", 2),
    ("Dương", 2),
    ("Lý", 2),
    ("Trương", 2),
    ("Đinh", 1),
    ("Đoàn", 1),
    ("Lâm", 1),
    ("Mai", 1),
    ("Cao", 1),
    ("Châu", 1),
    ("Tạ", 1),
    ("Quách", 1),
    ("Tô", 1),
    ("Thái", 1),
    ("Hà", 1),
    ("Lương", 1),
    ("Triệu", 1),
    ("Kiều", 1),
];

/// Middle names of men.
pub(crate) const MIDDLE_MALE: [&str; 22] = [
    "Văn", "Hữu", "Đức", "Minh", "Quốc", "Thanh", "Công", "Đình", "Xuân", "Hoàng", "Gia", "Anh", "Ngọc",
    "Bá", "Trọng", "Thành", "Tấn", "Phước", "Nhật", "Duy", "Tiến", "Quang",
];

/// Middle names of women.
pub(crate) const MIDDLE_FEMALE: [&str; 20] = [
    "Thị", "Ngọc", "Thanh", "Kim", "Thu", "Minh", "Hồng", "Bích", "Phương", "Mỹ", "Diễm", "Tuyết", "Quỳnh",
    "Hoài", "Cẩm", "Khánh", "Thùy", "Xuân", "Mai", "Như",
];

/// Given names of men.
pub(crate) const GIVEN_MALE: [&str; 40] = [
    "Hùng", "Dũng", "Tuấn", "Anh", "Minh", "Sơn", "Hải", "Long", "Nam", "Phúc", "Thắng", "Trung", "Khoa",
    "Bảo", "Đạt", "Hiếu", "Nghĩa", "Lộc", "Tài", "Phong", "Quân", "Vinh", "Khánh", "Toàn", "Tùng", "Thịnh",
    "Hoàng", "Kiệt", "Cường", "Bình", "Hòa", "Đăng", "Giang", "Lâm", "Nhân", "Quý", "Tâm", "Việt", "Thiện",
    "Út",
];

/// Given names of women.
pub(crate) const GIVEN_FEMALE: [&str; 40] = [
    "Lan",
    "Hoa",
    "Hương",
    "Thảo",
    "Trang",
    "Linh",
    "Mai",
    "Ngân",
    "Nhung",
    "Thúy",
    "Thủy",
    "Hằng",
    "Hạnh",
    "Yến",
    "Loan",
    "Oanh",
    "Vy",
    "Trinh",
    "Tuyền",
    "Quyên",
    "Nga",
    "Dung",
    "Diệu",
    "Châu",
    "Giang",
    "Huyền",
    "Phượng",
    "Thoa",
    "Xuân",
    "Uyên",
    "Hiền",
    "Liên",
    "Trâm",
    "Ánh",
    "Nguyệt",
    "Hòa",
    "Thư",
    "Tiên",
    "Như",
    "Mỹ",
];

/// Names for which VNI and TCVN3 both read well, and differently: no other letter decides.
pub(crate) const AMBIGUOUS_SURNAMES: [&str; 4] = ["Phan", "Cao", "Mai", "Kim"];
/// Middle names for the same.
pub(crate) const AMBIGUOUS_MIDDLES: [&str; 4] = ["Anh", "Thanh", "Minh", "Kim"];
/// Given names for the same.
pub(crate) const AMBIGUOUS_GIVENS: [&str; 3] = ["Thư", "Như", "Tư"];
/// Given names from abroad beside a Vietnamese surname.
pub(crate) const FOREIGN_GIVENS: [&str; 5] = ["Anna", "Jenny", "Wang", "Frank", "Jacky"];

/// Networks as they are dialled today.
pub(crate) const NETWORKS: [&str; 28] = [
    "032", "033", "034", "035", "036", "037", "038", "039", "070", "079", "077", "076", "078", "083", "084",
    "085", "081", "082", "056", "058", "059", "090", "091", "093", "094", "097", "098", "086",
];

/// Networks of eleven digits before 2018, and what they became.
pub(crate) const OLD_NETWORKS: [(&str, &str); 21] = [
    ("0162", "032"),
    ("0163", "033"),
    ("0164", "034"),
    ("0165", "035"),
    ("0166", "036"),
    ("0167", "037"),
    ("0168", "038"),
    ("0169", "039"),
    ("0120", "070"),
    ("0121", "079"),
    ("0122", "077"),
    ("0126", "076"),
    ("0128", "078"),
    ("0123", "083"),
    ("0124", "084"),
    ("0125", "085"),
    ("0127", "081"),
    ("0129", "082"),
    ("0186", "056"),
    ("0188", "058"),
    ("0199", "059"),
];

/// Where people of the city registered, the city itself most often.
pub(crate) const PROVINCES: [&str; 14] =
    ["079", "079", "079", "079", "001", "004", "036", "052", "060", "072", "075", "082", "087", "096"];

/// Codes that no province has.
pub(crate) const NO_PROVINCES: [&str; 6] = ["003", "007", "013", "050", "097", "100"];

/// Kinds of vaccination sites.
pub(crate) const SITE_KINDS: [&str; 6] = [
    "Trạm Y tế số",
    "Điểm tiêm lưu động số",
    "Trường Tiểu học Mẫu số",
    "Nhà thi đấu Mẫu số",
    "Bệnh viện Mẫu số",
    "Trung tâm Y tế Mẫu số",
];

/// What citizens write about a field that is wrong.
pub(crate) const fn complaints(column: Column) -> [&'static str; 2] {
    match column {
        Column::FullName => ["Sai họ tên trên chứng nhận tiêm", "Họ tên bị lỗi, đề nghị sửa theo căn cước"],
        Column::DateOfBirth => ["Sai ngày sinh", "Ngày tháng năm sinh không đúng, xin điều chỉnh"],
        Column::Gender => ["Sai giới tính", "Giới tính ghi không đúng"],
        Column::Phone => ["Sai số điện thoại nên không nhận được mã", "Đề nghị cập nhật số điện thoại"],
        Column::NationalId => ["Sai số căn cước công dân", "Số giấy tờ tùy thân bị nhập nhầm"],
        Column::InsuranceId => ["Sai số thẻ bảo hiểm y tế", "Số thẻ BHYT chưa đúng"],
        Column::District | Column::Ward => ["Sai địa chỉ", "Địa chỉ phường, quận chưa đúng"],
        Column::Vaccine => ["Sai tên vắc xin", "Loại vắc xin ghi không đúng với giấy xác nhận"],
        Column::DoseNumber => ["Sai số mũi tiêm", "Đã tiêm nhưng hiện sai mũi"],
        Column::InjectedOn => ["Sai ngày tiêm", "Ngày tiêm trên ứng dụng khác giấy xác nhận"],
        Column::LotNumber => ["Sai số lô vắc xin", "Số lô ghi không đúng"],
        Column::RecordId | Column::Site | Column::ReportedFault => {
            ["Thông tin điểm tiêm chưa đúng", "Cần xem lại"]
        }
    }
}

/// What citizens write when nothing in the record is wrong.
pub(crate) const GENERAL_COMPLAINTS: [&str; 4] = [
    "Đã tiêm nhưng ứng dụng không hiện mũi tiêm",
    "Chưa thấy chứng nhận trên Sổ sức khỏe điện tử",
    "Thiếu mũi tiêm trên hệ thống",
    "Đề nghị kiểm tra lại thông tin tiêm chủng",
];
