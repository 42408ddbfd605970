//! The kinds of faults: what each touches, who can mend it, how common it is.

use serde::{Deserialize, Serialize};

use crate::columns::Column::{
    self, DateOfBirth, District, DoseNumber, FullName, Gender, InjectedOn, InsuranceId, LotNumber,
    NationalId, Phone, ReportedFault, Site, Vaccine, Ward,
};
use crate::generator::draw::Draw;
use crate::generator::person::Draft;
use crate::generator::{spoil_dose, spoil_identity, spoil_name, spoil_place, spoil_text};

/// One kind of fault.
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) weight: u32,
    /// What it writes, or reads in a way that no other fault of the record may disturb.
    columns: &'static [Column],
    /// Columns that prove its repair: a person's fault there would make it undecidable.
    proof: &'static [Column],
    /// Fields that need a person. Empty for a fault of form.
    pub(crate) person: &'static [Column],
    /// Does it; answers `false`, with nothing done, when this person's values cannot have it.
    pub(crate) spoil: fn(&mut Draft, &mut Draw) -> bool,
}

impl Fault {
    /// The column that it is about.
    pub(crate) fn subject(&self) -> Option<Column> {
        self.columns.first().copied()
    }

    /// Whether the two cannot stand in one record with a known truth for each.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        let meet = |some: &[Column], others: &[Column]| some.iter().any(|column| others.contains(column));
        meet(self.columns, other.columns) || meet(self.proof, other.person) || meet(other.proof, self.person)
    }
}

/// Writes the enum and the table, so that no kind is without its entry. A line is: kind, weight, columns,
/// proof, fields for a person, what does it.
macro_rules! faults {
    ($($kind:ident $weight:literal [$($column:ident)*] [$($proof:ident)*] [$($person:ident)*] $spoil:path;)*) => {
        /// What was done to a record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "the name says which field, and what is wrong with it")]
        pub enum FaultKind { $($kind),* }

        impl FaultKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),*];
        }

        /// All faults.
        pub(crate) const FAULTS: &[Fault] = &[$(Fault {
            kind: FaultKind::$kind,
            weight: $weight,
            columns: &[$($column),*],
            proof: &[$($proof),*],
            person: &[$($person),*],
            spoil: $spoil,
        }),*];
    };
}

faults! {
    NameCase 14 [FullName] [] [] spoil_name::case;
    NameUtf8As1252 8 [FullName] [] [] spoil_name::utf8_as_1252;
    NameTcvn3 6 [FullName] [] [] spoil_name::tcvn3;
    NameVni 8 [FullName] [] [] spoil_name::vni;
    NameDStroke 4 [FullName] [] [] spoil_name::d_stroke;
    NameSpaces 8 [FullName] [] [] spoil_name::spaces;
    NameInvisible 3 [FullName] [] [] spoil_name::invisible;
    NameDecomposed 6 [FullName] [] [] spoil_name::decomposed_name;
    NameMissing 4 [FullName] [] [FullName] spoil_name::missing;
    NameLostLetter 6 [FullName] [] [FullName] spoil_name::lost_letter;
    NameDigits 4 [FullName] [] [FullName] spoil_name::digits;
    NameSymbols 4 [FullName] [] [FullName] spoil_name::symbols;
    NameOneWord 5 [FullName] [] [FullName] spoil_name::one_word;
    NameTitle 5 [FullName] [] [FullName] spoil_name::title;
    NameTwoReadings 3 [FullName] [] [FullName] spoil_name::two_readings;
    NamePartlyLegacy 2 [FullName] [] [FullName] spoil_name::partly_legacy;
    BirthDayFirst 14 [DateOfBirth] [] [] spoil_dose::birth_day_first;
    BirthMonthFirst 5 [DateOfBirth] [] [] spoil_dose::birth_month_first;
    BirthYearFirst 4 [DateOfBirth] [] [] spoil_dose::birth_year_first;
    BirthExcelSerial 5 [DateOfBirth] [] [] spoil_dose::birth_excel_serial;
    BirthYearAsNumber 4 [DateOfBirth] [] [] spoil_dose::birth_year_as_number;
    BirthMissing 4 [DateOfBirth] [] [DateOfBirth] spoil_dose::birth_missing;
    BirthTwoDigitYear 6 [DateOfBirth] [] [DateOfBirth] spoil_dose::birth_two_digit_year;
    BirthNoDay 3 [DateOfBirth] [] [DateOfBirth] spoil_dose::birth_no_day;
    BirthUnder18 6 [DateOfBirth] [] [DateOfBirth] spoil_dose::birth_under_18;
    BirthOver110 3 [DateOfBirth] [] [DateOfBirth] spoil_dose::birth_over_110;
    GenderWord 12 [Gender] [] [] spoil_identity::gender_word;
    GenderCode 6 [Gender] [] [] spoil_identity::gender_code;
    GenderMissing 5 [Gender] [] [Gender] spoil_identity::gender_missing;
    GenderUnreadable 3 [Gender] [] [Gender] spoil_identity::gender_unreadable;
    PhoneSeparators 9 [Phone] [] [] spoil_identity::phone_separators;
    PhoneCountryCode 9 [Phone] [] [] spoil_identity::phone_country_code;
    PhoneLeadingZero 9 [Phone] [] [] spoil_identity::phone_leading_zero;
    PhonePrefix2018 9 [Phone] [] [] spoil_identity::phone_prefix_2018;
    PhoneScientific 4 [Phone] [] [Phone] spoil_identity::phone_scientific;
    PhoneLostDigit 6 [Phone] [] [Phone] spoil_identity::phone_lost_digit;
    PhoneExtraDigit 3 [Phone] [] [Phone] spoil_identity::phone_extra_digit;
    PhoneLandline 2 [Phone] [] [Phone] spoil_identity::phone_landline;
    NationalIdSeparators 8 [NationalId] [] [] spoil_identity::national_separators;
    NationalIdFloat 4 [NationalId] [DateOfBirth Gender] [] spoil_identity::national_float;
    NationalIdFullWidth 2 [NationalId] [] [] spoil_identity::national_full_width;
    NationalIdSmallLetter 20 [NationalId] [] [] spoil_identity::national_small_letter;
    NationalIdLostZeros 12 [NationalId] [DateOfBirth Gender] [] spoil_identity::national_lost_zeros;
    NationalIdIsInsurance 12 [NationalId InsuranceId] [] [] spoil_identity::national_is_insurance;
    NationalIdLength 6 [NationalId] [] [NationalId] spoil_identity::national_length;
    NationalIdScientific 4 [NationalId] [] [NationalId] spoil_identity::national_scientific;
    NationalIdProvince 3 [NationalId] [] [NationalId] spoil_identity::national_province;
    NationalIdBirthYear 6 [NationalId] [DateOfBirth] [NationalId] spoil_identity::national_birth_year;
    NationalIdSex 6 [NationalId] [Gender] [NationalId] spoil_identity::national_sex;
    InsuranceForm 8 [InsuranceId] [] [] spoil_identity::insurance_form;
    InsuranceInvalid 5 [InsuranceId] [] [InsuranceId] spoil_identity::insurance_invalid;
    AddressNames 16 [District Ward] [] [] spoil_place::names;
    AddressWithoutMarks 8 [District Ward] [] [] spoil_place::without_marks;
    AddressShort 10 [District Ward] [] [] spoil_place::short;
    AddressUtf8As1252 3 [District Ward] [] [] spoil_place::utf8_as_1252;
    AddressOldDistrict 20 [District Ward] [] [] spoil_place::old_district;
    DistrictMissing 4 [District Ward] [] [District] spoil_place::district_missing;
    DistrictUnknown 4 [District Ward] [] [District] spoil_place::district_unknown;
    WardMissing 4 [District Ward] [] [Ward] spoil_place::ward_missing;
    WardUnknown 4 [District Ward] [] [Ward] spoil_place::ward_unknown;
    WardNoDistrict 3 [District Ward] [] [District Ward] spoil_place::ward_no_district;
    WardNotInDistrict 5 [District Ward] [] [Ward] spoil_place::ward_not_in_district;
    WardAmbiguous 3 [District Ward] [] [Ward] spoil_place::ward_ambiguous;
    VaccineName 14 [Vaccine] [] [] spoil_dose::vaccine_name;
    VaccineMissing 4 [Vaccine] [] [Vaccine] spoil_dose::vaccine_missing;
    VaccineUnknown 4 [Vaccine] [] [Vaccine] spoil_dose::vaccine_unknown;
    VaccineNotInUse 4 [Vaccine] [] [Vaccine] spoil_dose::vaccine_not_in_use;
    DoseWord 10 [DoseNumber] [] [] spoil_dose::dose_word;
    DoseMissing 3 [DoseNumber] [] [DoseNumber] spoil_dose::dose_missing;
    DoseRange 4 [DoseNumber] [] [DoseNumber] spoil_dose::dose_range;
    InjectionDayFirst 14 [InjectedOn] [] [] spoil_dose::injection_day_first;
    InjectionMonthFirst 5 [InjectedOn] [] [] spoil_dose::injection_month_first;
    InjectionYearFirst 3 [InjectedOn] [] [] spoil_dose::injection_year_first;
    InjectionExcelSerial 5 [InjectedOn] [] [] spoil_dose::injection_excel_serial;
    InjectionSwapped 10 [InjectedOn] [Vaccine] [] spoil_dose::injection_swapped;
    InjectionYear 10 [InjectedOn] [Vaccine] [] spoil_dose::injection_year;
    InjectionSwappedYear 8 [InjectedOn] [Vaccine] [] spoil_dose::injection_swapped_year;
    InjectionMissing 3 [InjectedOn] [] [InjectedOn] spoil_dose::injection_missing;
    InjectionUnreadable 4 [InjectedOn] [] [InjectedOn] spoil_dose::injection_unreadable;
    InjectionOutside 5 [InjectedOn] [] [InjectedOn] spoil_dose::injection_outside;
    InjectionTwoCandidates 5 [InjectedOn] [Vaccine] [InjectedOn] spoil_dose::injection_two_candidates;
    LotCase 5 [LotNumber] [] [] spoil_dose::lot_case;
    LotSpaces 4 [LotNumber] [] [] spoil_dose::lot_spaces;
    LotTrailingDot 4 [LotNumber] [] [] spoil_dose::lot_trailing_dot;
    SiteText 5 [Site] [] [] spoil_text::site;
    ReportedFaultText 5 [ReportedFault] [] [] spoil_text::reported_fault;
}
