//! The job that a file goes into: the one of that name, or a new one.

pub(crate) mod grouping;
mod reviews;
mod trial;

use anyhow::{Result, bail};
use emend_proto::v1::schedule_change::Deadline;
use emend_proto::v1::{
    CreateJobRequest, Field, FindingText, GetJobRequest, GroupField, Job, JobPolicy, Manifest, PackRef,
    ReviewPolicy, Schedule, ScheduleChange, Threshold,
};
use tonic::Code;

use crate::client::{Client, call, explain};
use crate::exit::Usage;

/// What the caller asks of the job.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its rule pack's name.
    pub pack: String,
    /// What runs after it, in order.
    pub validators: Vec<PackRef>,
    /// The day of the data, `YYYY-MM-DD`.
    pub as_of: Option<String>,
    /// Records in a unit; `None` leaves it to the scheduler.
    pub unit_records: Option<u32>,
    /// By which fields records are put together; none: they are not.
    pub group_by: Vec<GroupField>,
    /// How urgent the new job is; what is absent is left to the scheduler.
    pub schedule: ScheduleChange,
    /// How people decide on its records; what is absent is left to the manifest and the scheduler.
    pub reviews: ReviewPolicy,
    /// How it is tried out, and what stops it.
    pub trial: Trial,
    /// What a rule file's findings are to a person.
    pub findings: Vec<emend_worker::FindingText>,
}

/// How a new job is tried out, and what stops it.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Nothing is kept but counts and examples.
    pub dry_run: bool,
    /// The share that is worked on before the rest is approved; none unless given.
    pub canary: Option<f64>,
    /// What must not be exceeded.
    pub thresholds: Vec<Threshold>,
    /// Rules that are not to run.
    pub rules_off: Vec<String>,
}

/// The job of that name, if there is one.
///
/// # Errors
/// When it is there with other options.
pub(super) async fn find(client: &Client, wanted: &Wanted) -> Result<Option<Job>> {
    let request = GetJobRequest { job: wanted.name.clone(), with_tallies: false };
    match call!(client, get_job(request)) {
        Ok(answer) => {
            let job = answer.job.unwrap_or_default();
            check(&job, wanted)?;
            Ok(Some(job))
        }
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(explain(&status, &wanted.name)),
    }
}

/// Makes the job.
///
/// # Errors
/// When it cannot be made, or somebody has just made another one of that name.
pub(super) async fn create(
    client: &Client,
    wanted: &Wanted,
    mut manifest: emend_worker::Manifest,
) -> Result<Job> {
    let Some(as_of) = wanted.as_of.clone() else {
        return Err(Usage::new(format!(
            "there is no job `{}` yet; say --as-of YYYY-MM-DD, the day of the data, to make it",
            wanted.name
        )));
    };
    manifest.findings.extend(wanted.findings.iter().cloned());
    grouping::check_names(&wanted.group_by, &manifest)?;
    reviews::check_names(&wanted.reviews, &manifest)?;
    let request = CreateJobRequest {
        name: wanted.name.clone(),
        pack: Some(PackRef { name: manifest.name.clone(), version: manifest.version.clone() }),
        manifest: Some(to_wire(manifest)),
        as_of,
        policy: Some(JobPolicy {
            unit_records: wanted.unit_records.unwrap_or_default(),
            reviews: Some(wanted.reviews.clone()),
            canary: wanted.trial.canary.unwrap_or_default(),
            dry_run: wanted.trial.dry_run,
            thresholds: wanted.trial.thresholds.clone(),
            ..JobPolicy::default()
        }),
        schedule: Some(schedule(wanted.schedule)),
        validators: wanted.validators.clone(),
        rules_off: wanted.trial.rules_off.clone(),
        group_by: wanted.group_by.clone(),
    };
    let answer = call!(client, create_job(request)).map_err(|status| explain(&status, &wanted.name))?;
    Ok(answer.job.unwrap_or_default())
}

fn schedule(wanted: ScheduleChange) -> Schedule {
    Schedule {
        priority: wanted.priority.unwrap_or_default(),
        weight: wanted.weight.unwrap_or_default(),
        deadline_in: match wanted.deadline {
            Some(Deadline::DeadlineIn(after)) => Some(after),
            Some(Deadline::NoDeadline(_)) | None => None,
        },
    }
}

/// The file goes into a job that is there: it must be the one the caller means.
fn check(job: &Job, wanted: &Wanted) -> Result<()> {
    let name = &wanted.name;
    let pack = job.pack.as_ref().map_or("", |pack| pack.name.as_str());
    if pack != wanted.pack {
        bail!(
            "job `{name}` is there and has the rule pack `{pack}`, not `{}`; choose another --job name",
            wanted.pack
        );
    }
    if !wanted.validators.is_empty() && wanted.validators != job.validators {
        bail!(
            "job `{name}` is there and runs other rule files or validators; leave --rules and --validator out, \
             use `emend rerun`, or choose another --job"
        );
    }
    trial::check_same(job, &wanted.trial)?;
    if let Some(as_of) = wanted.as_of.as_ref().filter(|as_of| **as_of != job.as_of) {
        bail!(
            "job `{name}` is there and is as of {}, not {as_of}; leave --as-of out, or choose another --job",
            job.as_of
        );
    }
    let records = job.policy.as_ref().map_or(0, |policy| policy.unit_records);
    if let Some(wanted) = wanted.unit_records.filter(|&wanted| records != 0 && wanted != records) {
        bail!("job `{name}` is there with units of {records} records, not {wanted}; leave --unit-size out");
    }
    grouping::check_same(job, &wanted.group_by)?;
    reviews::check_same(job, &wanted.reviews)?;
    // A deadline counts from now, so the command that made the job would differ from itself: the job keeps its own.
    let Some(there) = &job.schedule else { return Ok(()) };
    if let Some(wanted) = wanted.schedule.priority.filter(|&wanted| wanted != there.priority) {
        bail!(
            "job `{name}` is there with priority {}, not {wanted}; leave --priority out, or use `emend set`",
            there.priority
        );
    }
    if let Some(wanted) = wanted.schedule.weight.filter(|&wanted| wanted != there.weight) {
        bail!(
            "job `{name}` is there with weight {}, not {wanted}; leave --weight out, or use `emend set`",
            there.weight
        );
    }
    Ok(())
}

/// A pack's manifest, for the scheduler to keep.
pub(super) fn to_wire(manifest: emend_worker::Manifest) -> Manifest {
    let fields = manifest.fields.into_iter().map(|field| Field {
        name: field.name,
        label_vi: field.label_vi,
        label_en: field.label_en,
        aliases: field.aliases,
        sensitive: field.sensitive,
        related: field.related,
        normaliser: field.normaliser,
    });
    let findings = manifest.findings.into_iter().map(|finding| FindingText {
        code: finding.code,
        text_vi: finding.text_vi,
        text_en: finding.text_en,
        agree: finding.agree,
    });
    Manifest {
        key_field: manifest.key_field,
        fields: fields.collect(),
        findings: findings.collect(),
        source_field: manifest.source_field,
    }
}

/// The manifest that a job keeps, to read more files for it as the first was read.
pub(super) fn from_wire(job: &Job) -> emend_worker::Manifest {
    let pack = job.pack.clone().unwrap_or_default();
    let manifest = job.manifest.clone().unwrap_or_default();
    let fields = manifest.fields.into_iter().map(|field| emend_worker::Field {
        name: field.name,
        label_vi: field.label_vi,
        label_en: field.label_en,
        aliases: field.aliases,
        sensitive: field.sensitive,
        related: field.related,
        normaliser: field.normaliser,
    });
    let findings = manifest.findings.into_iter().map(|finding| emend_worker::FindingText {
        code: finding.code,
        text_vi: finding.text_vi,
        text_en: finding.text_en,
        agree: finding.agree,
    });
    emend_worker::Manifest {
        name: pack.name,
        version: pack.version,
        key_field: manifest.key_field,
        fields: fields.collect(),
        findings: findings.collect(),
        source_field: manifest.source_field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            name: "x".into(),
            pack: Some(PackRef { name: "p".into(), version: "1".into() }),
            as_of: "2021-09-20".into(),
            policy: Some(JobPolicy { unit_records: 500, ..JobPolicy::default() }),
            schedule: Some(Schedule { priority: 5, weight: 100, deadline_in: None }),
            ..Job::default()
        }
    }

    #[test]
    fn a_job_that_is_there_must_be_the_one_that_is_meant() {
        let schedule = |priority| ScheduleChange { priority, ..ScheduleChange::default() };
        let same = Wanted {
            name: "x".into(),
            pack: "p".into(),
            validators: Vec::new(),
            as_of: None,
            unit_records: None,
            group_by: Vec::new(),
            schedule: schedule(Some(5)),
            reviews: ReviewPolicy::default(),
            trial: Trial::default(),
            findings: Vec::new(),
        };
        check(&job(), &same).unwrap();
        check(&job(), &Wanted { as_of: Some("2021-09-20".into()), unit_records: Some(500), ..same.clone() })
            .unwrap();
        let others = [
            (Wanted { pack: "q".into(), ..same.clone() }, "--job"),
            (Wanted { as_of: Some("2021-09-21".into()), ..same.clone() }, "--as-of"),
            (Wanted { unit_records: Some(1), ..same.clone() }, "--unit-size"),
            (Wanted { schedule: schedule(Some(6)), ..same.clone() }, "--priority"),
            (Wanted { group_by: vec![GroupField::default()], ..same.clone() }, "--group-by"),
            (
                Wanted { schedule: ScheduleChange { weight: Some(1), ..ScheduleChange::default() }, ..same },
                "--weight",
            ),
        ];
        for (other, flag) in others {
            let error = check(&job(), &other).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains("`x`"), "{error}");
        }
    }
    #[test]
    fn a_manifest_comes_back_as_it_went() {
        let manifest = crate::pack::find(emend_vaccination::PACK).unwrap().manifest().clone();
        let pack = PackRef { name: manifest.name.clone(), version: manifest.version.clone() };
        let kept = Some(to_wire(manifest.clone()));
        assert_eq!(from_wire(&Job { pack: Some(pack), manifest: kept, ..Job::default() }), manifest);
    }
}
