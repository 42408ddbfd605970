//! Canary, thresholds and rules that are off, as the command line has them.

use anyhow::{Result, bail};
use emend_proto::v1::Job;

use super::Trial;

/// A job that is there keeps its own, which must be what the caller means.
pub(super) fn check_same(job: &Job, wanted: &Trial) -> Result<()> {
    let name = &job.name;
    let there = job.policy.clone().unwrap_or_default();
    if wanted.dry_run != there.dry_run {
        let is = if there.dry_run { "is there and is a dry run" } else { "is there and is no dry run" };
        bail!("job `{name}` {is}; choose another --job");
    }
    // It is kept in millionths.
    if let Some(canary) = wanted.canary.filter(|canary| (canary - there.canary).abs() > 1e-6) {
        bail!("job `{name}` is there with --canary {}, not {canary}; leave --canary out", there.canary);
    }
    if !wanted.thresholds.is_empty() && wanted.thresholds != there.thresholds {
        bail!("job `{name}` is there with other thresholds; leave --threshold out");
    }
    if let Some(rule) = wanted.rules_off.iter().find(|rule| !job.rules_off.contains(rule)) {
        bail!("job `{name}` is there and runs rule {rule}; leave --without-rule out, or use `emend undo`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::JobPolicy;

    use super::*;

    #[test]
    fn a_job_that_is_there_is_tried_out_as_is_meant() {
        let policy = Some(JobPolicy { canary: 0.01, ..JobPolicy::default() });
        let job = Job { name: "x".into(), policy, rules_off: vec!["a".into()], ..Job::default() };
        check_same(&job, &Trial::default()).unwrap();
        check_same(&job, &Trial { canary: Some(0.01), rules_off: vec!["a".into()], ..Trial::default() })
            .unwrap();
        for (other, flag) in [
            (Trial { dry_run: true, ..Trial::default() }, "--job"),
            (Trial { canary: Some(0.02), ..Trial::default() }, "--canary"),
            (Trial { rules_off: vec!["b".into()], ..Trial::default() }, "--without-rule"),
            (Trial { thresholds: vec![Default::default()], ..Trial::default() }, "--threshold"),
        ] {
            let said = check_same(&job, &other).unwrap_err().to_string();
            assert!(said.contains(flag) && said.contains("`x`"), "{said}");
        }
    }
}
