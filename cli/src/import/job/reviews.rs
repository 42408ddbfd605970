//! How people decide on a job's records, as the command line has it.

use anyhow::{Result, bail};
use emend_proto::v1::{Job, ReviewPolicy};

use crate::exit::Usage;

/// Two people are asked where a name says so, so a name with a typing error would quietly ask one.
pub(super) fn check_names(wanted: &ReviewPolicy, manifest: &emend_worker::Manifest) -> Result<()> {
    let is_field = |name: &str| manifest.fields.iter().any(|field| field.name == name);
    let is_finding = |name: &str| match name.split_once('.') {
        // A pack need not tell its findings; those that it tells are all.
        Some((field, _)) if manifest.findings.is_empty() => is_field(field),
        _ => manifest.findings.iter().any(|finding| finding.code == name),
    };
    match wanted.agree.iter().find(|name| !is_field(name) && !is_finding(name)) {
        None => Ok(()),
        Some(name) => Err(Usage::new(format!(
            "--agree {name} is neither a field nor a finding of the rule pack {}; its fields are {}",
            manifest.name,
            manifest.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// A job that is there keeps its own policy, which must be the one that the caller means.
pub(super) fn check_same(job: &Job, wanted: &ReviewPolicy) -> Result<()> {
    let name = &job.name;
    let there = job.policy.as_ref().and_then(|policy| policy.reviews.clone()).unwrap_or_default();
    if let Some(undo) = wanted.undo.filter(|&undo| there.undo.is_some_and(|there| there != undo)) {
        let there = there.undo.unwrap_or_default();
        bail!(
            "job `{name}` is there with --undo {}s, not {}s; leave --undo out",
            there.seconds,
            undo.seconds
        );
    }
    let mut agree = wanted.agree.clone();
    agree.sort();
    agree.dedup();
    if !agree.is_empty() && agree != there.agree {
        bail!("job `{name}` is there and two must agree on {}; leave --agree out", there.agree.join(", "));
    }
    for (flag, wanted, there) in
        [("--sample", wanted.sample, there.sample), ("--error-limit", wanted.error_limit, there.error_limit)]
    {
        // They are kept in millionths.
        if wanted != 0.0 && (wanted - there).abs() > 1e-6 {
            bail!("job `{name}` is there with {flag} {there}, not {wanted}; leave {flag} out");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::JobPolicy;
    use emend_worker::{Field, FindingText, Manifest};

    use super::*;

    fn wanted(undo: Option<i64>, agree: &[&str]) -> ReviewPolicy {
        ReviewPolicy {
            undo: undo.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
            agree: agree.iter().map(|&name| name.into()).collect(),
            ..ReviewPolicy::default()
        }
    }

    #[test]
    fn names_are_fields_or_findings() {
        let field = Field { name: "phone".into(), ..Field::default() };
        let mut manifest = Manifest { fields: vec![field], ..Manifest::default() };
        check_names(&wanted(None, &["phone", "phone.invalid"]), &manifest).unwrap();
        let said = check_names(&wanted(None, &["phone", "fone.invalid"]), &manifest).unwrap_err();
        assert!(said.is::<Usage>() && said.to_string().contains("--agree fone.invalid"), "{said}");
        manifest.findings = vec![FindingText { code: "phone.invalid".into(), ..FindingText::default() }];
        check_names(&wanted(None, &["phone", "phone.invalid"]), &manifest).unwrap();
        check_names(&wanted(None, &["phone.unknown"]), &manifest).unwrap_err();
    }

    #[test]
    fn a_job_that_is_there_has_the_policy_that_is_meant() {
        let reviews = Some(wanted(Some(300), &["a", "b"]));
        let policy = Some(JobPolicy { reviews, ..JobPolicy::default() });
        let job = Job { name: "x".into(), policy, ..Job::default() };
        for same in [wanted(None, &[]), wanted(Some(300), &["b", "a", "a"])] {
            check_same(&job, &same).unwrap();
        }
        let sampled = check_same(&job, &ReviewPolicy { sample: 0.01, ..wanted(None, &[]) }).unwrap_err();
        assert!(sampled.to_string().contains("leave --sample out"), "{sampled}");
        for (other, flag) in [(wanted(Some(0), &[]), "--undo"), (wanted(None, &["a"]), "--agree")] {
            let said = check_same(&job, &other).unwrap_err().to_string();
            assert!(said.contains(flag) && said.contains("`x`"), "{said}");
        }
    }
}
