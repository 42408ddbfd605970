//! What a gRPC status means, as a person wants to hear it.

use anyhow::{Error, anyhow};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::exit::Usage;

/// Whether the scheduler gave this stable reason.
pub fn is_reason(status: &Status, reason: &str) -> bool {
    status.get_details_error_info().is_some_and(|info| info.reason == reason)
}

/// The status as an error that says what to do, for a command about `job`.
pub fn explain(status: &Status, job: &str) -> Error {
    let info = status.get_details_error_info();
    let reason = info.as_ref().map_or("", |info| info.reason.as_str());
    let said = match status.message() {
        "" => "no reason given",
        message => message.trim_end_matches('.'),
    };
    match reason {
        "JOB_NOT_FOUND" => anyhow!("job `{job}` not found; `emend status` lists jobs"),
        "RECORD_NOT_FOUND" => {
            anyhow!(
                "no record of that key in job `{job}`; keys are compared byte by byte, as they were imported"
            )
        }
        "JOB_SEALED" => anyhow!("job `{job}` is sealed and takes no more records; import into another job"),
        "JOB_ENDED" => anyhow!("job `{job}` has ended: {said}; `emend status {job}` shows how"),
        "JOB_NOT_ENDED" => anyhow!("job `{job}` has not ended; `emend cancel {job}` first"),
        "JOB_UNFINISHED" => anyhow!(
            "job `{job}` is not finished; `emend wait {job} --until reviewing` waits for it, --partial exports it as it is"
        ),
        "JOB_GROUPING" => anyhow!(
            "the records of job `{job}` are being put together by their groups; `emend status {job}` says how far it is"
        ),
        "JOB_DIFFERS" => {
            anyhow!(
                "there is another job `{job}`, made with other options: {said}; choose another --job name"
            )
        }
        "BLOCKS_GONE" => {
            anyhow!("the records of job `{job}` are gone: its retention is over, only its counts are kept")
        }
        "IMPORT_UNFINISHED" => {
            anyhow!(
                "an import into job `{job}` has not ended: {said}; run it again, and it goes on where it was"
            )
        }
        _ => by_code(status, said),
    }
}

fn by_code(status: &Status, said: &str) -> Error {
    match status.code() {
        Code::InvalidArgument => Usage::new(format!("{said}{}", fields(status))),
        Code::Unavailable => {
            anyhow!("{said}; is a scheduler running there? See --scheduler and EMEND_SCHEDULER")
        }
        Code::DeadlineExceeded => anyhow!("the scheduler did not answer in time: {said}"),
        Code::ResourceExhausted => anyhow!("the scheduler has too much to do: {said}; try again later"),
        Code::Unimplemented => {
            anyhow!("this scheduler does not know the call: {said}; are both of one version?")
        }
        Code::DataLoss => anyhow!("data are damaged: {said}"),
        Code::PermissionDenied | Code::Unauthenticated => anyhow!("not allowed: {said}"),
        Code::Cancelled => anyhow!("the call was broken off: {said}"),
        Code::Ok
        | Code::Unknown
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal => anyhow!("the scheduler refused: {said}"),
    }
}

/// The fields at fault, when the scheduler names them.
fn fields(status: &Status) -> String {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let named = violations.iter().filter(|violation| !status.message().contains(&violation.description));
    named.map(|violation| format!("; {}: {}", violation.field, violation.description)).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, FieldViolation};

    use super::*;

    #[test]
    fn a_status_becomes_a_sentence_with_a_way_out() {
        let details =
            ErrorDetails::with_error_info("JOB_NOT_FOUND", "emend", std::collections::HashMap::new());
        let status = Status::with_error_details(Code::NotFound, "no such job", details);
        assert_eq!(explain(&status, "x").to_string(), "job `x` not found; `emend status` lists jobs");
        assert!(is_reason(&status, "JOB_NOT_FOUND") && !is_reason(&status, "JOB_ENDED"));
    }

    #[test]
    fn a_refused_field_is_named_and_is_a_matter_of_usage() {
        let details =
            ErrorDetails::with_bad_request(vec![FieldViolation::new("policy.attempts", "at most 100")]);
        let status = Status::with_error_details(Code::InvalidArgument, "the request is not valid", details);
        let error = explain(&status, "x");
        assert!(error.is::<Usage>());
        assert_eq!(error.to_string(), "the request is not valid; policy.attempts: at most 100");
    }

    #[test]
    fn no_answer_points_to_the_flag() {
        let error = explain(&Status::unavailable("no scheduler can be reached"), "x");
        assert!(error.to_string().contains("--scheduler"), "{error}");
    }
}
