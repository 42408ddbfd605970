//! The fifteen columns of a record, and the manifest that describes them to the scheduler.

use emend_worker::{Field, Manifest};

use crate::findings;

/// The pack's name: what jobs ask for.
pub const PACK: &str = "vaccination";

/// The pack's version. A job keeps the version it was made with.
pub const VERSION: &str = "1.0.0";

/// How many columns a record has.
pub const COLUMNS: usize = 15;

/// A column, in the order of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the column of its name")]
pub enum Column {
    RecordId,
    FullName,
    DateOfBirth,
    Gender,
    Phone,
    NationalId,
    InsuranceId,
    District,
    Ward,
    Vaccine,
    DoseNumber,
    InjectedOn,
    LotNumber,
    Site,
    ReportedFault,
}

impl Column {
    /// All columns, in the order of a file.
    pub const ALL: [Self; COLUMNS] = [
        Self::RecordId,
        Self::FullName,
        Self::DateOfBirth,
        Self::Gender,
        Self::Phone,
        Self::NationalId,
        Self::InsuranceId,
        Self::District,
        Self::Ward,
        Self::Vaccine,
        Self::DoseNumber,
        Self::InjectedOn,
        Self::LotNumber,
        Self::Site,
        Self::ReportedFault,
    ];

    /// The name in records, changes and findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RecordId => "record_id",
            Self::FullName => "full_name",
            Self::DateOfBirth => "date_of_birth",
            Self::Gender => "gender",
            Self::Phone => "phone",
            Self::NationalId => "national_id",
            Self::InsuranceId => "insurance_id",
            Self::District => "district",
            Self::Ward => "ward",
            Self::Vaccine => "vaccine",
            Self::DoseNumber => "dose_number",
            Self::InjectedOn => "injected_on",
            Self::LotNumber => "lot_number",
            Self::Site => "site",
            Self::ReportedFault => "reported_fault",
        }
    }

    /// The column of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The place in a file, from 0.
    pub const fn place(self) -> usize {
        self as usize
    }

    const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::RecordId => ("Mã bản ghi", "Record"),
            Self::FullName => ("Họ và tên", "Full name"),
            Self::DateOfBirth => ("Ngày sinh", "Date of birth"),
            Self::Gender => ("Giới tính", "Gender"),
            Self::Phone => ("Số điện thoại", "Phone"),
            Self::NationalId => ("Số CMND/CCCD/HC", "National ID"),
            Self::InsuranceId => ("Số thẻ BHYT", "Health insurance number"),
            Self::District => ("Quận/Huyện", "District"),
            Self::Ward => ("Phường/Xã", "Ward"),
            Self::Vaccine => ("Tên vắc xin", "Vaccine"),
            Self::DoseNumber => ("Mũi số", "Dose number"),
            Self::InjectedOn => ("Ngày tiêm", "Injected on"),
            Self::LotNumber => ("Số lô", "Lot number"),
            Self::Site => ("Cơ sở tiêm chủng", "Vaccination site"),
            Self::ReportedFault => ("Nội dung phản ánh", "Reported fault"),
        }
    }

    /// Headers beside the label under which files of the campaign carry the column.
    const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::RecordId => &["Mã bản ghi", "Mã hồ sơ"],
            Self::FullName => &["Họ và tên", "Họ tên"],
            Self::DateOfBirth => &["Ngày sinh", "Ngày tháng năm sinh"],
            Self::Gender => &["Giới tính"],
            Self::Phone => &["Số điện thoại", "SĐT", "Điện thoại"],
            Self::NationalId => &["Số CMND/CCCD/HC", "CMND/CCCD/HC", "Số CMND/CCCD", "CMND/CCCD"],
            Self::InsuranceId => &["Số thẻ BHYT", "BHYT"],
            Self::District => &["Quận/Huyện"],
            Self::Ward => &["Phường/Xã"],
            Self::Vaccine => &["Tên vắc xin", "Vắc xin"],
            Self::DoseNumber => &["Mũi số", "Mũi tiêm"],
            Self::InjectedOn => &["Ngày tiêm"],
            Self::LotNumber => &["Số lô"],
            Self::Site => &["Cơ sở tiêm chủng", "Điểm tiêm"],
            Self::ReportedFault => &["Nội dung phản ánh"],
        }
    }

    /// Whether the value identifies a person. The site text and the citizen's own words may name somebody.
    const fn sensitive(self) -> bool {
        matches!(
            self,
            Self::FullName
                | Self::DateOfBirth
                | Self::Phone
                | Self::NationalId
                | Self::InsuranceId
                | Self::ReportedFault
        )
    }

    /// What a person looks at beside this field to decide about it.
    const fn related(self) -> &'static [Self] {
        match self {
            Self::RecordId | Self::Site | Self::ReportedFault => &[],
            Self::FullName => &[Self::NationalId, Self::ReportedFault],
            Self::DateOfBirth => &[Self::NationalId, Self::InjectedOn, Self::ReportedFault],
            Self::Gender => &[Self::NationalId, Self::FullName, Self::ReportedFault],
            Self::Phone => &[Self::ReportedFault],
            Self::NationalId => &[Self::DateOfBirth, Self::Gender, Self::InsuranceId, Self::ReportedFault],
            Self::InsuranceId => &[Self::NationalId, Self::ReportedFault],
            Self::District => &[Self::Ward, Self::ReportedFault],
            Self::Ward => &[Self::District, Self::ReportedFault],
            Self::Vaccine => &[Self::InjectedOn, Self::LotNumber, Self::Site, Self::ReportedFault],
            Self::DoseNumber => &[Self::InjectedOn, Self::Vaccine, Self::ReportedFault],
            Self::InjectedOn => &[Self::Vaccine, Self::DoseNumber, Self::Site, Self::ReportedFault],
            Self::LotNumber => &[Self::Vaccine, Self::Site, Self::ReportedFault],
        }
    }

    /// How values are folded when records are put together by this column; empty where it is of no matter.
    const fn normaliser(self) -> &'static str {
        match self {
            Self::FullName => "text",
            Self::DateOfBirth => "date",
            Self::NationalId | Self::Phone => "digits",
            _ => "",
        }
    }

    fn field(self) -> Field {
        let (label_vi, label_en) = self.labels();
        Field {
            name: self.name().into(),
            label_vi: label_vi.into(),
            label_en: label_en.into(),
            aliases: self.aliases().iter().map(|&alias| alias.into()).collect(),
            sensitive: self.sensitive(),
            related: self.related().iter().map(|column| column.name().into()).collect(),
            normaliser: self.normaliser().into(),
        }
    }
}

/// What the pack says of itself.
pub(crate) fn manifest() -> Manifest {
    Manifest {
        name: PACK.into(),
        version: VERSION.into(),
        key_field: Column::RecordId.name().into(),
        fields: Column::ALL.into_iter().map(Column::field).collect(),
        findings: findings::texts(),
        source_field: Column::Site.name().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn places_and_names_agree() {
        for (place, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column.place(), place);
            assert_eq!(Column::named(column.name()), Some(column));
        }
        assert_eq!(Column::named("unknown"), None);
    }

    #[test]
    fn no_header_stands_for_two_columns() {
        let manifest = manifest();
        let mut seen = HashSet::new();
        for field in &manifest.fields {
            assert!(seen.insert(field.name.to_lowercase()));
            for alias in &field.aliases {
                assert!(seen.insert(alias.to_lowercase()), "{alias} twice");
            }
        }
        assert!(manifest.fields.iter().any(|field| field.name == manifest.key_field));
    }
}
