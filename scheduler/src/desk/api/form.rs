//! What a job calls its fields and findings, as its rule pack said when the job was made.

use emend_proto::v1::Manifest;
use prost::Message as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::desk::call::Call;
use crate::desk::fault::Fault;
use crate::domain::job::JobRef;
use crate::service::desk::from_store;

#[derive(Debug, Deserialize)]
struct Ask {
    job_id: i64,
}

pub(super) async fn form(call: &Call) -> Result<Value, Fault> {
    let Ask { job_id } = call.json()?;
    let job = call.app().store.job(JobRef::Id(job_id)).await.map_err(from_store)?;
    // A manifest of another version is one without words.
    let Manifest { fields, findings, .. } =
        Manifest::decode(job.spec.manifest.as_slice()).unwrap_or_default();
    let fields = fields.into_iter().map(|field| {
        json!({
            "name": field.name,
            "label_vi": field.label_vi,
            "label_en": field.label_en,
            "sensitive": field.sensitive,
            "related": field.related,
        })
    });
    let findings = findings.into_iter().map(
        |finding| json!({ "code": finding.code, "text_vi": finding.text_vi, "text_en": finding.text_en }),
    );
    Ok(json!({
        "job": { "id": job.id, "name": job.spec.name },
        "fields": fields.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "undo_seconds": job.spec.reviews.undo.as_secs_f64(),
    }))
}
