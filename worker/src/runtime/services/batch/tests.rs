//! What goes into one call, and what becomes of it when it fails.

use emend_proto::v1::DescribeResponse;

use super::*;

fn of(verdict: Verdict) -> RecordResult {
    RecordResult { verdict: verdict.into(), ..RecordResult::default() }
}

fn at(batch: &Batch) -> Vec<usize> {
    batch.places.iter().map(|place| place.at).collect()
}

fn all_at(batches: &[Batch]) -> Vec<Vec<usize>> {
    batches.iter().map(at).collect()
}

#[test]
fn a_call_that_fails_is_tried_again_and_then_taken_apart() {
    let results = vec![of(Verdict::Valid); 5];
    let mut batch = batches(&results, &[], 3).remove(0);
    assert_eq!(at(&batch), [0, 1, 2]);
    let busy = Status::unavailable("");
    for _ in 1..TRIES {
        let Next::Again(again, pause) = batch.after(&busy) else { panic!("it is tried again") };
        assert!(pause > FIRST_PAUSE);
        batch = again;
    }
    assert_eq!(batch.clone().after(&busy), Next::LeaveIt, "it says so itself");
    let broken = Status::from_error(Box::new(std::io::Error::other("the line broke off")));
    let Next::Halves(front, back) = batch.after(&broken) else { panic!("it is taken apart") };
    assert_eq!((at(&front), at(&back)), (vec![0], vec![1, 2]));
    let Next::GiveUp(given_up) = front.after(&Status::out_of_range("")) else {
        panic!("no use in trying that again")
    };
    assert_eq!(at(&given_up), [0]);
}

#[test]
fn records_that_failed_are_asked_about_no_more() {
    let results = [of(Verdict::Failed), of(Verdict::Routed), of(Verdict::Failed), of(Verdict::Valid)];
    assert_eq!(all_at(&batches(&results, &[], 10)), [[1, 3]]);
    assert_eq!(all_at(&batches(&results, &[4, 4, 4, 4], 1)), [[1, 3]], "the rest of a group is a group");
}

#[test]
fn batches_end_where_groups_do() {
    let results = vec![of(Verdict::Valid); 11];
    let groups = [0, 2, 2, 4, 4, 4, 0, 8, 8, 8, 8];
    let expected = [vec![0, 1, 2], vec![3, 4, 5], vec![6], vec![7, 8, 9, 10]];
    assert_eq!(all_at(&batches(&results, &groups, 3)), expected);
    let whole = [vec![0, 1, 2, 3, 4, 5], vec![6, 7, 8, 9, 10]];
    assert_eq!(all_at(&batches(&results, &groups, 6)), whole);
    assert_eq!(all_at(&batches(&results, &[], 10))[1], [10], "one that does not compare sees single records");
}

#[test]
fn a_call_is_taken_apart_between_groups_and_a_lone_group_is_given_up() {
    let results = vec![of(Verdict::Valid); 7];
    let batch = batches(&results, &[1, 1, 1, 1, 1, 6, 0], 10).remove(0);
    let wrong = Status::invalid_argument("");
    let Next::Halves(front, back) = batch.after(&wrong) else { panic!("it is taken apart") };
    assert_eq!((at(&front), at(&back)), (vec![0, 1, 2, 3, 4], vec![5, 6]));
    let Next::GiveUp(given_up) = front.after(&wrong) else { panic!("there is no border in it") };
    assert_eq!(at(&given_up), [0, 1, 2, 3, 4]);
    let Next::Halves(front, back) = back.after(&wrong) else { panic!("it is taken apart") };
    assert_eq!((at(&front), at(&back)), (vec![5], vec![6]));
}

#[test]
fn a_call_names_the_groups_and_what_makes_them() {
    let said = DescribeResponse { name: "n".into(), version: "1".into(), ..DescribeResponse::default() };
    let description = Description::try_from(said).unwrap();
    let job = JobContext {
        as_of: "2021-09-20".into(),
        group_by: vec!["name".into(), "born".into()],
        ..JobContext::default()
    };
    let results = vec![of(Verdict::Valid); 3];
    let records: Vec<_> = ["a", "b", "c"].map(|key| Some(Record::from_fields(key, [("name", "An")]))).into();
    let groups_in = |groups: &[u64]| {
        let request = batches(&results, groups, 10)[0].request(&description, &job, &records, &results);
        assert_eq!((request.as_of, request.group_by), (job.as_of.clone(), job.group_by.clone()));
        request.records.iter().map(|record| record.group).collect::<Vec<_>>()
    };
    assert_eq!(groups_in(&[5, 5, 0]), [5, 5, 0]);
    assert_eq!(groups_in(&[]), [0, 0, 0]);
}
