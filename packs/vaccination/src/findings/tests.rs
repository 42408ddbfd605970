use std::collections::HashSet;

use super::*;
use crate::columns::Column;
use crate::text;

#[test]
fn every_code_has_a_text_in_both_languages() {
    let texts = texts();
    let mut seen = HashSet::new();
    for finding in &texts {
        assert!(seen.insert(finding.code.as_str()), "{} twice", finding.code);
        for told in [&finding.text_vi, &finding.text_en] {
            let length = told.chars().count();
            assert!(told.ends_with('.') && (20..=200).contains(&length), "{}: {length}", finding.code);
            assert!(text::nfc(told).is_none() && text::single_spaces(told).is_none(), "{}", finding.code);
        }
        assert!(finding.text_vi.contains("Hãy "), "{} says what to do", finding.code);
    }
    let mut told: Vec<_> = FINDINGS.into_iter().collect();
    told.push("record.failed");
    assert_eq!(texts.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), told);
}

#[test]
fn codes_stand_in_the_order_of_the_columns_and_name_one() {
    let columns: Vec<_> = FINDINGS
        .iter()
        .map(|code| code.split_once('.').and_then(|(field, _)| Column::named(field)).unwrap())
        .collect();
    assert!(columns.is_sorted(), "{columns:?}");
}

#[test]
fn findings_of_groups_are_findings() {
    assert!(GROUP_FINDINGS.iter().all(|code| FINDINGS.contains(code)));
}

#[test]
fn two_agree_on_identity_and_not_on_form() {
    let agreed: Vec<_> = texts().into_iter().filter(|text| text.agree).map(|text| text.code).collect();
    assert!(agreed.contains(&"full_name.lost_letter".to_owned()));
    assert!(agreed.contains(&"date_of_birth.under_18".to_owned()));
    assert!(agreed.contains(&"national_id.sex".to_owned()));
    assert!(agreed.contains(&"national_id.shared".to_owned()));
    for code in [
        "full_name.title",
        "phone.invalid",
        "phone.shared",
        "dose_number.duplicate",
        "injected_on.outside_window",
        "record.failed",
    ] {
        assert!(!agreed.contains(&code.to_owned()), "{code}");
    }
    assert_eq!(agreed.len(), 6 + 4 + 5 + 1);
}
