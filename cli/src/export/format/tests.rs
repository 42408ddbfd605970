use emend_proto::v1::Verdict;

use super::super::unit::tests::{decided, unit};
use super::*;

fn text(format: Format, provenance: bool, only: &[Verdict], done: bool) -> String {
    text_of(&unit(done), format, provenance, only)
}

fn text_of(unit: &UnitBlocks, format: Format, provenance: bool, only: &[Verdict]) -> String {
    let columns = ["id", "name", "note"].map(str::to_owned);
    let formatter = Formatter::new(format, &columns, provenance, Only::these(only.iter().copied()));
    let mut text = formatter.head();
    text.extend(formatter.unit(unit).unwrap().text);
    String::from_utf8(text).unwrap()
}

#[test]
fn csv_has_the_columns_of_the_import_and_canonical_values() {
    let expected = "id,name,note\n1,Ân,\n2,AN,\n3,,n\n4,=1+1,a;b\n";
    assert_eq!(text(Format::Csv, false, &[], true), expected);
    let pending = "id,name,note\n1,Ân,\n2,\"an, \"\"x\"\"\n\",\n3,,\"{\"\"a\"\": 1}\"\n4,=1+1,a;b\n";
    assert_eq!(text(Format::Csv, false, &[], false), pending);
}

#[test]
fn csv_with_provenance_adds_verdict_findings_and_decision() {
    let expected = concat!(
        "id,name,note,verdict,findings,decision,decision_reason\n",
        "3,,n,routed,name.missing;name.odd,,\n4,=1+1,a;b,failed,,,\n"
    );
    assert_eq!(text(Format::Csv, true, &[Verdict::Routed, Verdict::Failed], true), expected);
    assert!(text(Format::Csv, true, &[], false).ends_with("4,=1+1,a;b,pending,,,\n"));
}

#[test]
fn jsonl_is_the_objects_with_their_changes() {
    let expected = concat!(
        r#"{"id":"1","name":"Ân","note":""}"#,
        "\n",
        r#"{"id":"2","name":"AN","note":null}"#,
        "\n",
        r#"{"id":3,"note":"n"}"#,
        "\n",
        r#"{"id":"4","name":"=1+1","note":"a;b"}"#,
        "\n"
    );
    assert_eq!(text(Format::Jsonl, false, &[], true), expected);
}

#[test]
fn jsonl_with_provenance_has_the_documented_shape() {
    let expected = concat!(
        r#"{"key":"3","verdict":"routed","fields":{"id":3,"note":"n"},"#,
        r#""changes":[{"field":"note","before":"{\"a\": 1}","after":"n","rule":"note.text"}],"#,
        r#""findings":[{"code":"name.missing","field":"name","proposals":[]},"#,
        r#"{"code":"name.odd","field":"name","proposals":["A \"B\""]}]}"#,
        "\n"
    );
    assert_eq!(text(Format::Jsonl, true, &[Verdict::Routed], true), expected);
    let failed = text(Format::Jsonl, true, &[Verdict::Failed], true);
    assert!(failed.ends_with("\"changes\":[],\"findings\":[],\"failure\":\"panic\"}\n"), "{failed}");
    for line in text(Format::Jsonl, true, &[], true).lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn a_lone_empty_value_is_no_blank_line() {
    let mut text = Vec::new();
    push_line(&mut text, [""].into_iter());
    assert_eq!(text, b"\"\"\n");
}

#[test]
fn decisions_stand_in_the_values_and_beside_the_verdict() {
    let people = [Verdict::Routed, Verdict::Failed];
    let csv = text_of(&decided(), Format::Csv, true, &people);
    let expected = concat!(
        "id,name,note,verdict,findings,decision,decision_reason\n",
        "3,\"B, \"\"y\"\"\",n,routed,name.missing;name.odd,values,\n",
        "4,=1+1,a;b,failed,,rejected,\"no such person, \"\"x\"\"\"\n"
    );
    assert_eq!(csv, expected);
    let plain = text_of(&decided(), Format::Csv, false, &people);
    assert_eq!(plain, "id,name,note\n3,\"B, \"\"y\"\"\",n\n4,=1+1,a;b\n");
    let objects = text_of(&decided(), Format::Jsonl, false, &[Verdict::Routed]);
    assert_eq!(objects, "{\"id\":3,\"note\":\"n\",\"name\":\"B, \\\"y\\\"\"}\n");
}

#[test]
fn jsonl_tells_who_decided_and_why_where_somebody_did() {
    let lines = text_of(&decided(), Format::Jsonl, true, &[]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[..2].iter().all(|line| line.get("decision").is_none()));
    let (values, rejected) = (&lines[2], &lines[3]);
    assert_eq!(
        values["decision"],
        serde_json::json!({"kind": "values", "reason": "", "reviewers": ["a", "b"]})
    );
    assert_eq!((&values["verdict"], &values["fields"]["name"]), (&"routed".into(), &"B, \"y\"".into()));
    assert_eq!(values["changes"][1]["rule"], "decision");
    assert_eq!(rejected["decision"]["kind"], "rejected");
    assert_eq!(rejected["decision"]["reason"], "no such person, \"x\"");
    assert_eq!(rejected["failure"], "panic");
}
