use std::collections::BTreeSet;

use emend_proto::v1::{CardField, CardFinding};

use super::*;

fn card(proposals: &[&str]) -> ReviewCard {
    let finding = CardFinding {
        code: "phone.invalid".into(),
        field: "phone".into(),
        proposals: proposals.iter().map(|&text| text.into()).collect(),
    };
    let shown = CardField { name: "phone".into(), value: "9".into(), at_issue: true, ..CardField::default() };
    ReviewCard { round: 1, findings: vec![finding], fields: vec![shown], ..ReviewCard::default() }
}

fn truth() -> Values {
    let mut truth = Values::default();
    truth.set(Column::Phone, "0912");
    truth.set(Column::FullName, "LÊ AN");
    truth
}

const NEVER: Habits = Habits { errors: 0.0, skips: 0.0, cannot: 0.0 };

fn said(card: &ReviewCard, habits: Habits, seq: u64) -> Said {
    judge(card, &truth(), habits, &mut Draw::of(1, 1, seq, 1)).unwrap()
}

fn told(answer: &Answer) -> Vec<(&str, &str)> {
    answer.values.iter().map(|value| (value.field.as_str(), value.value.as_str())).collect()
}

#[test]
fn whoever_makes_no_errors_says_the_truth_of_each_field_at_issue() {
    let mut card = card(&[]);
    card.findings.push(CardFinding { field: "full_name".into(), ..CardFinding::default() });
    card.findings.push(CardFinding { field: "phone".into(), ..CardFinding::default() });
    let Said::Right(answer) = said(&card, NEVER, 1) else { panic!("it is right") };
    assert_eq!(told(&answer), [("full_name", "LÊ AN"), ("phone", "0912")]);
}

#[test]
fn what_stands_beside_it_and_is_wrong_is_put_right_too() {
    let mut card = card(&["0912"]);
    let shown = |name: &str, value: &str, masked| CardField {
        name: name.into(),
        value: value.into(),
        masked,
        at_issue: false,
    };
    card.fields.push(shown("full_name", "LE AN", false));
    card.fields.push(shown("gender", "", false));
    card.fields.push(shown("national_id", "••12", true));
    let Said::Right(answer) = said(&card, NEVER, 1) else { panic!("it is right") };
    assert_eq!(told(&answer), [("full_name", "LÊ AN"), ("phone", "0912")]);
    // One word for a whole cluster cannot say that.
    assert_eq!(choice(&card, &Said::Right(answer)), None);
}

#[test]
fn a_record_on_which_the_rules_gave_up_is_keyed_whole() {
    let field = |name: &str| CardField { name: name.into(), ..CardField::default() };
    let fields = vec![field("phone"), field("full_name"), field("of_somebody_else")];
    let card = ReviewCard { fields, failure: "panic".into(), ..ReviewCard::default() };
    let Said::Right(answer) = said(&card, NEVER, 1) else { panic!("it is right") };
    assert_eq!(told(&answer), [("full_name", "LÊ AN"), ("phone", "0912")]);
}

#[test]
fn errors_are_of_every_sort_and_always_wrong() {
    let always = Habits { errors: 1.0, ..NEVER };
    let mut sorts = BTreeSet::new();
    for seq in 0..300 {
        // With the truth among the proposals nothing is keyed, so there is no typing error.
        for (card, keyed) in [(card(&["0999"]), true), (card(&["0999", "0912"]), false)] {
            let Said::Wrong(answer) = said(&card, always, seq) else { panic!("it is wrong") };
            sorts.insert(match (answer.kind(), told(&answer).first()) {
                (AnswerKind::Rejected, None) => "rejected",
                (AnswerKind::Values, Some(("phone", "9"))) => "kept",
                (AnswerKind::Values, Some(("phone", "0999"))) => "another proposal",
                (AnswerKind::Values, Some(("phone", other))) if keyed && *other != "0912" => "typed",
                other => panic!("{other:?}"),
            });
            assert_eq!(answer.reason.is_empty(), answer.kind() == AnswerKind::Values);
        }
    }
    assert_eq!(sorts.len(), 4, "{sorts:?}");
}

#[test]
fn shares_are_kept_and_the_same_draw_says_the_same() {
    let habits = Habits { errors: 0.1, skips: 0.05, cannot: 0.05 };
    let all: Vec<Said> = (0..4000).map(|seq| said(&card(&["0912"]), habits, seq)).collect();
    let share = |is: fn(&Said) -> bool| all.iter().filter(|said| is(said)).count() as f64 / 4000.0;
    assert!((0.08..0.12).contains(&share(|said| matches!(said, Said::Wrong(_)))));
    assert!((0.035..0.065).contains(&share(|said| matches!(said, Said::Skip))));
    assert!((0.035..0.065).contains(&share(|said| matches!(said, Said::Cannot(_)))));
    assert_eq!(said(&card(&["0912"]), habits, 7), all[7]);
}

#[test]
fn a_typing_error_changes_the_value_and_no_more_than_a_letter_of_its_length() {
    for seq in 0..200 {
        for value in ["0912", "LÊ AN", "A", "AA"] {
            let typed = typo(value, &mut Draw::of(1, 1, seq, 1)).unwrap();
            assert!(typed != value && typed.chars().count() + 1 >= value.chars().count(), "{value} {typed}");
        }
    }
    assert_eq!(typo("", &mut Draw::of(1, 1, 1, 1)), None);
    let typed = typo("a\u{90}b", &mut Draw::of(1, 1, 1, 1)).unwrap();
    assert!(!typed.contains(char::is_control), "{typed:?}");
}

#[test]
fn a_cluster_is_decided_by_a_proposal_or_by_what_stands() {
    let say =
        |value: &str| Said::Right(values(vec![FieldValue { field: "phone".into(), value: value.into() }]));
    let card = card(&["0999", "0912"]);
    assert_eq!(choice(&card, &say("0912")), Some(Choice::Proposal(1)));
    assert_eq!(choice(&card, &say("9")), Some(Choice::AsItIs));
    assert_eq!(choice(&card, &say("0913")), None);
    assert_eq!(choice(&card, &Said::Skip), None);
    let mut two = card.clone();
    two.findings.push(CardFinding::default());
    assert_eq!(choice(&two, &say("0912")), None);
}

#[test]
fn a_field_that_the_truth_does_not_have_is_said() {
    let mut card = card(&[]);
    card.findings[0].field = "colour".into();
    assert!(judge(&card, &truth(), NEVER, &mut Draw::of(1, 1, 1, 1)).is_err());
}
