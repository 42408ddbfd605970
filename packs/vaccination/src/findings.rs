//! The findings that send a record to a person, exactly those of RULES.md, and what a person is told of each.
//!
//! The one table of finding codes. The texts are for volunteers who know nothing of rules: what is wrong, and what to
//! do about it, in the words of the forms that they know.

use emend_worker::FindingText;

/// A finding in both languages.
struct Told {
    code: &'static str,
    vi: &'static str,
    en: &'static str,
}

/// How many codes there are.
const COUNT: usize = 39;

/// The code under which a person is told of a record on which the rules gave up: no finding of theirs.
const FAILED: Told = Told {
    code: "record.failed",
    vi: "Hệ thống không kiểm tra được bản ghi này. Hãy xem tất cả các mục và sửa chỗ sai, nếu có.",
    en: "This record could not be checked. Look at all of its fields, and mend what is wrong, if anything is.",
};

#[rustfmt::skip]
const TEXTS: [Told; COUNT] = [
    Told {
        code: "full_name.missing",
        vi: "Chưa có họ và tên. Hãy nhập đúng như trên giấy tờ tùy thân.",
        en: "The name is missing. Enter it as it stands on the identity papers.",
    },
    Told {
        code: "full_name.lost_letter",
        vi: "Họ và tên bị mất chữ, hiện thành dấu hỏi. Hãy nhập lại đầy đủ theo giấy tờ tùy thân.",
        en: "Letters of the name were lost and show as question marks. Enter the whole name as on the identity papers.",
    },
    Told {
        code: "full_name.digits",
        vi: "Họ và tên có chữ số. Hãy bỏ chữ số, hoặc nhập lại cho đúng.",
        en: "There is a digit in the name. Take it out, or enter the right name.",
    },
    Told {
        code: "full_name.symbols",
        vi: "Họ và tên có ký tự lạ. Hãy bỏ ký tự đó, hoặc nhập lại cho đúng.",
        en: "There is a sign in the name that does not belong there. Take it out, or enter the right name.",
    },
    Told {
        code: "full_name.one_word",
        vi: "Họ và tên chỉ có một từ. Hãy nhập đủ họ, chữ đệm và tên; nếu giấy tờ cũng ghi như vậy thì giữ nguyên.",
        en: "The name is a single word. Enter the family name and the given name; leave it if the papers say the same.",
    },
    Told {
        code: "full_name.ambiguous_encoding",
        vi: "Họ và tên bị lỗi phông chữ nên không đọc được chắc chắn. Hãy chọn tên đúng, hoặc nhập lại theo giấy tờ tùy thân.",
        en: "The name was garbled by an old font and cannot be read for certain. Choose the right one, or enter it as on the identity papers.",
    },
    Told {
        code: "full_name.title",
        vi: "Trước họ và tên có từ xưng hô như Ông, Bà, Anh, Chị, BS. Hãy bỏ từ này, trừ khi nó là một phần của tên.",
        en: "A form of address stands before the name: Ông, Bà, Anh, Chị or BS. Take it out, unless it is part of the name.",
    },
    Told {
        code: "date_of_birth.missing",
        vi: "Chưa có ngày sinh. Hãy nhập theo giấy tờ tùy thân, ví dụ 1990-05-12; nếu chỉ biết năm sinh thì nhập năm.",
        en: "The date of birth is missing. Enter it as on the identity papers, such as 1990-05-12, or only the year if no more is known.",
    },
    Told {
        code: "date_of_birth.unreadable",
        vi: "Không đọc được ngày sinh. Hãy nhập lại theo giấy tờ tùy thân, ví dụ 1990-05-12; nếu chỉ biết năm sinh thì nhập năm.",
        en: "The date of birth cannot be read. Enter it as on the identity papers, such as 1990-05-12, or only the year if no more is known.",
    },
    Told {
        code: "date_of_birth.under_18",
        vi: "Theo ngày sinh này, người tiêm chưa đủ 18 tuổi vào ngày tiêm. Hãy đối chiếu với giấy tờ tùy thân; nếu đúng thì giữ nguyên.",
        en: "By this date of birth the person was not yet 18 on the day of the injection. Compare it with the identity papers; leave it if it is right.",
    },
    Told {
        code: "date_of_birth.over_110",
        vi: "Theo ngày sinh này, người tiêm đã trên 110 tuổi. Hãy đối chiếu với giấy tờ tùy thân; nếu đúng thì giữ nguyên.",
        en: "By this date of birth the person is over 110. Compare it with the identity papers; leave it if it is right.",
    },
    Told {
        code: "gender.missing",
        vi: "Chưa có giới tính. Hãy nhập male (nam) hoặc female (nữ) theo giấy tờ tùy thân.",
        en: "The gender is missing. Enter male or female, as on the identity papers.",
    },
    Told {
        code: "gender.unreadable",
        vi: "Không rõ là nam hay nữ. Hãy nhập male (nam) hoặc female (nữ) theo giấy tờ tùy thân.",
        en: "It is not clear whether this means male or female. Enter one of the two, as on the identity papers.",
    },
    Told {
        code: "phone.invalid",
        vi: "Số điện thoại không đúng. Hãy nhập số di động gồm 10 chữ số, bắt đầu bằng số 0; nếu không có thì để trống.",
        en: "This is no mobile number. Enter its 10 digits, which begin with 0; leave it empty if there is none.",
    },
    Told {
        code: "phone.shared",
        vi: "Hơn 10 người khác nhau cùng ghi số điện thoại này, nên có thể đây là số của điểm tiêm. Hãy nhập số của chính người tiêm hoặc người nhà; nếu không có thì để trống.",
        en: "More than 10 different people have this phone, so it may be that of the site. Enter the person's own or the family's; leave it empty if there is none.",
    },
    Told {
        code: "national_id.length",
        vi: "Số giấy tờ không đủ hoặc thừa chữ số. Căn cước công dân có 12 số, chứng minh nhân dân có 9 số, hộ chiếu có 1 chữ cái và 7 số. Hãy nhập lại theo giấy tờ.",
        en: "The number has too few or too many digits. A citizen's card (CCCD) has 12, an old identity card (CMND) 9, a passport one letter and 7 digits. Enter it as on the card.",
    },
    Told {
        code: "national_id.province",
        vi: "Ba số đầu của số căn cước công dân không phải mã của tỉnh, thành phố nào. Hãy đối chiếu với thẻ và nhập lại.",
        en: "The first three digits of the card's number stand for no province. Compare it with the card, and enter it again.",
    },
    Told {
        code: "national_id.birth_year",
        vi: "Số căn cước công dân và năm sinh không khớp nhau. Hãy đối chiếu cả hai với thẻ và sửa chỗ sai.",
        en: "The card's number does not go with the year of birth. Compare both with the card, and mend the wrong one.",
    },
    Told {
        code: "national_id.sex",
        vi: "Số căn cước công dân và giới tính không khớp nhau. Hãy đối chiếu cả hai với thẻ và sửa chỗ sai.",
        en: "The card's number does not go with the gender. Compare both with the card, and mend the wrong one.",
    },
    Told {
        code: "national_id.shared",
        vi: "Số giấy tờ này còn được ghi cho người khác, có họ tên hoặc ngày sinh khác. Hãy đối chiếu số, họ tên và ngày sinh với giấy tờ rồi sửa chỗ sai.",
        en: "This number stands in the record of another person too, with another name or date of birth. Compare all three with the card, and mend the wrong one.",
    },
    Told {
        code: "insurance_id.invalid",
        vi: "Số thẻ bảo hiểm y tế không đúng. Hãy nhập đủ 15 ký tự trên thẻ, hoặc 10 số cuối là mã số bảo hiểm xã hội; nếu không có thì để trống.",
        en: "This is no health insurance number. Enter the 15 characters on the card, or its last 10 digits, the social insurance number; leave it empty if there is none.",
    },
    Told {
        code: "district.missing",
        vi: "Chưa có quận, huyện. Hãy chọn mã được đề xuất, hoặc nhập mã quận, huyện gồm 3 chữ số.",
        en: "The district is missing. Take the code that is proposed, or enter the district's code of 3 digits.",
    },
    Told {
        code: "district.unknown",
        vi: "Thành phố Hồ Chí Minh không có quận, huyện này. Hãy chọn mã được đề xuất, hoặc nhập mã quận, huyện gồm 3 chữ số.",
        en: "Ho Chi Minh City has no such district. Take the code that is proposed, or enter the district's code of 3 digits.",
    },
    Told {
        code: "ward.missing",
        vi: "Chưa có phường, xã. Hãy nhập mã phường, xã gồm 5 chữ số.",
        en: "The ward is missing. Enter the ward's code of 5 digits.",
    },
    Told {
        code: "ward.unknown",
        vi: "Thành phố Hồ Chí Minh không có phường, xã này. Hãy nhập mã phường, xã gồm 5 chữ số.",
        en: "Ho Chi Minh City has no such ward. Enter the ward's code of 5 digits.",
    },
    Told {
        code: "ward.no_district",
        vi: "Không rõ quận, huyện nên chưa biết đây là phường, xã nào. Hãy chọn mã được đề xuất, hoặc nhập mã phường, xã gồm 5 chữ số.",
        en: "Without its district nobody knows which ward this is. Take the code that is proposed, or enter the ward's code of 5 digits.",
    },
    Told {
        code: "ward.not_in_district",
        vi: "Phường, xã này không thuộc quận, huyện đã ghi. Hãy kiểm tra cả hai và sửa chỗ sai.",
        en: "This ward is not in the district that is given. Check both, and mend the wrong one.",
    },
    Told {
        code: "ward.ambiguous",
        vi: "Tên này có thể là nhiều phường, xã khác nhau. Hãy chọn phường, xã đúng.",
        en: "This name may stand for more than one ward. Choose the right one.",
    },
    Told {
        code: "vaccine.missing",
        vi: "Chưa có tên vắc xin. Hãy nhập theo giấy xác nhận tiêm: AstraZeneca, Moderna, Pfizer hoặc Vero Cell.",
        en: "The vaccine is missing. Enter it as on the vaccination paper: AstraZeneca, Moderna, Pfizer or Vero Cell.",
    },
    Told {
        code: "vaccine.unknown",
        vi: "Không rõ đây là vắc xin nào. Hãy nhập theo giấy xác nhận tiêm: AstraZeneca, Moderna, Pfizer hoặc Vero Cell.",
        en: "It is not clear which vaccine this is. Enter it as on the vaccination paper: AstraZeneca, Moderna, Pfizer or Vero Cell.",
    },
    Told {
        code: "vaccine.not_in_use",
        vi: "Vào ngày tiêm, Thành phố chưa dùng vắc xin này. Hãy đối chiếu tên vắc xin và ngày tiêm với giấy xác nhận tiêm, rồi sửa chỗ sai.",
        en: "The city did not use this vaccine yet on the day of the injection. Compare both with the vaccination paper, and mend the wrong one.",
    },
    Told {
        code: "dose_number.missing",
        vi: "Chưa ghi là mũi thứ mấy. Hãy nhập 1 hoặc 2 theo giấy xác nhận tiêm.",
        en: "The number of the dose is missing. Enter 1 or 2, as on the vaccination paper.",
    },
    Told {
        code: "dose_number.range",
        vi: "Mũi tiêm chỉ có thể là 1 hoặc 2. Hãy nhập lại theo giấy xác nhận tiêm.",
        en: "A dose can only be the 1st or the 2nd. Enter 1 or 2, as on the vaccination paper.",
    },
    Told {
        code: "dose_number.duplicate",
        vi: "Mũi tiêm này đã có trong một bản ghi khác của cùng người: cùng mũi số, ngày tiêm, vắc xin và cơ sở tiêm. Hãy loại bản ghi này nếu một mũi bị nhập hai lần.",
        en: "Another record of this person has the same dose: same number, day, vaccine and site. Reject this record if one dose was keyed twice.",
    },
    Told {
        code: "dose_number.two_first",
        vi: "Người này có nhiều bản ghi khác nhau cùng ghi là mũi 1. Hãy đối chiếu ngày tiêm với giấy xác nhận tiêm và ghi đúng mũi 1 hoặc 2.",
        en: "Different records of this person all say dose 1. Compare the days with the vaccination paper, and enter 1 or 2.",
    },
    Told {
        code: "dose_number.no_first",
        vi: "Người này có nhiều bản ghi khác nhau cùng ghi là mũi 2 mà không có mũi 1. Hãy đối chiếu ngày tiêm với giấy xác nhận tiêm và ghi đúng mũi 1 hoặc 2.",
        en: "Different records of this person all say dose 2, and none says dose 1. Compare the days with the vaccination paper, and enter 1 or 2.",
    },
    Told {
        code: "injected_on.missing",
        vi: "Chưa có ngày tiêm. Hãy nhập theo giấy xác nhận tiêm, ví dụ 2021-08-12.",
        en: "The day of the injection is missing. Enter it as on the vaccination paper, such as 2021-08-12.",
    },
    Told {
        code: "injected_on.unreadable",
        vi: "Không đọc được ngày tiêm. Hãy nhập lại theo giấy xác nhận tiêm, ví dụ 2021-08-12.",
        en: "The day of the injection cannot be read. Enter it as on the vaccination paper, such as 2021-08-12.",
    },
    Told {
        code: "injected_on.outside_window",
        vi: "Vào ngày này, Thành phố không thể tiêm vắc xin đã ghi. Hãy chọn ngày đúng, hoặc nhập theo giấy xác nhận tiêm, ví dụ 2021-08-12.",
        en: "The city cannot have given this vaccine on that day. Choose the right day, or enter it as on the vaccination paper, such as 2021-08-12.",
    },
];

/// The codes, in the order of the columns.
pub const FINDINGS: [&str; COUNT] = {
    let mut codes = [""; COUNT];
    let mut at = 0;
    while at < COUNT {
        codes[at] = TEXTS[at].code;
        at += 1;
    }
    codes
};

/// Those among them that need several records to be seen together: only a grouped job has them.
pub const GROUP_FINDINGS: [&str; 5] = [
    "phone.shared",
    "national_id.shared",
    "dose_number.duplicate",
    "dose_number.two_first",
    "dose_number.no_first",
];

/// What the manifest says of them.
pub(crate) fn texts() -> Vec<FindingText> {
    let text = |told: &Told| FindingText {
        code: told.code.into(),
        text_vi: told.vi.into(),
        text_en: told.en.into(),
        agree: needs_two(told.code),
    };
    TEXTS.iter().chain([&FAILED]).map(text).collect()
}

/// Whether two people must agree: on what the police or an insurer knows a person by. A form of address in front of a
/// name is a matter of form.
fn needs_two(code: &str) -> bool {
    let field = code.split_once('.').map_or(code, |(field, _)| field);
    match field {
        "full_name" => code != "full_name.title",
        "date_of_birth" | "national_id" | "insurance_id" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
