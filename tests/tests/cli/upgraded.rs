//! A job that the release before has made, and a pack that has learnt to say more since.

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::{CreateJobRequest, Job, Manifest};
use emend_tests::process::Deployment;

use super::{expect, generated, import};

/// What a client asks for, to make a job like this one.
fn asked(name: &str, like: &Job, manifest: Manifest) -> CreateJobRequest {
    CreateJobRequest {
        name: name.into(),
        pack: like.pack.clone(),
        manifest: Some(manifest),
        as_of: like.as_of.clone(),
        ..CreateJobRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_the_release_before_takes_its_files() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let file = generated(&deployment, 50).await?.display().to_string();
    expect(&deployment.run(&import(&file, "new")).await?, 0, &[])?;
    let new = deployment.job("new").await?;
    let told = new.manifest.clone().context("a job has a manifest")?;
    ensure!(!told.findings.is_empty() && !told.source_field.is_empty(), "the pack says nothing of findings");
    let agree = new.policy.clone().and_then(|policy| policy.reviews).context("a policy")?.agree;
    ensure!(agree.contains(&"national_id.sex".into()), "{agree:?}");
    // The release before knew neither texts nor places.
    let before = Manifest { findings: Vec::new(), source_field: String::new(), ..told.clone() };
    let mut jobs = deployment.jobs(0).await?;
    let old = jobs.create_job(asked("old", &new, before)).await?.into_inner().job.context("a job")?;
    expect(&deployment.run(&import(&file, "old")).await?, 0, &[])?;
    expect(&deployment.run(&import(&file, "old")).await?, 0, &["nothing new"])?;
    let again = jobs.create_job(asked("old", &new, told)).await?.into_inner();
    ensure!(!again.created && again.job.map(|job| job.id) == Some(old.id), "another job");
    Ok(())
}
