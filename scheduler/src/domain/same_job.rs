//! Whether two requests ask for the same job.
//!
//! What decides how records are read and worked on must be the same. What is said about them to people may be put better
//! in a later version of a pack: a file that is imported again after an upgrade belongs to the job that is there, which
//! keeps what it was made with.

use std::collections::BTreeSet;

use emend_proto::v1::Manifest;
use prost::Message as _;

use super::job::{JobSpec, ReviewPolicy};

/// The first field in which `asked` is another job than the one that is there.
pub fn difference(there: &JobSpec, asked: &JobSpec) -> Option<&'static str> {
    let same = [
        (there.pack == asked.pack, "pack.name"),
        (there.pack_version == asked.pack_version, "pack.version"),
        (there.validators == asked.validators, "validators"),
        (there.as_of == asked.as_of, "as_of"),
        (there.policy == asked.policy, "policy"),
        (there.guard == asked.guard, "policy"),
        // Rules that were taken back since then are off as well.
        (asked.rules_off.iter().all(|rule| there.rules_off.contains(rule)), "rules_off"),
        (there.group_by == asked.group_by, "group_by"),
        (chosen(there) == chosen(asked), "policy.reviews"),
        (read_alike(&there.manifest, &asked.manifest), "manifest"),
    ];
    same.into_iter().find_map(|(same, field)| (!same).then_some(field))
}

/// How people decide, as far as the request chose it; what two must agree on is mostly left to the manifest.
fn chosen(spec: &JobSpec) -> ReviewPolicy {
    let reviews = spec.reviews.clone();
    let asked: BTreeSet<&str> = reviews.agree.iter().map(String::as_str).collect();
    let manifest = Manifest::decode(spec.manifest.as_slice()).unwrap_or_default();
    let told = manifest.findings.iter().filter(|finding| finding.agree);
    let by_manifest = asked == told.map(|finding| finding.code.as_str()).collect();
    if by_manifest { ReviewPolicy { agree: Vec::new(), ..reviews } } else { reviews }
}

/// Whether records are read alike by both manifests.
fn read_alike(there: &[u8], asked: &[u8]) -> bool {
    let read = |manifest: &[u8]| {
        let manifest = Manifest::decode(manifest).ok()?;
        let mut manifest = Manifest { findings: Vec::new(), source_field: String::new(), ..manifest };
        // How a grouped job folds its values stands in `group_by`.
        manifest.fields.iter_mut().for_each(|field| field.normaliser.clear());
        Some(manifest)
    };
    // What cannot be decoded is the same only to the byte.
    there == asked || read(there).is_some_and(|there| Some(there) == read(asked))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use emend_proto::v1::{Field, FindingText};

    use super::*;
    use crate::domain::guard::Guard;
    use crate::domain::job::JobPolicy;

    /// As the release before made it: it knew no texts and no places.
    fn before() -> Manifest {
        let field = Field { name: "phone".into(), label_en: "Phone".into(), ..Field::default() };
        Manifest { key_field: "id".into(), fields: vec![field], ..Manifest::default() }
    }

    fn told() -> Manifest {
        let text = |code: &str, agree| FindingText { code: code.into(), agree, ..FindingText::default() };
        let findings = vec![text("phone.odd", true), text("phone.missing", false)];
        Manifest { findings, source_field: "site".into(), ..before() }
    }

    fn spec(manifest: &Manifest, agree: &[&str]) -> JobSpec {
        let agree = agree.iter().map(|&code| code.into()).collect();
        JobSpec {
            name: "j".into(),
            pack: "p".into(),
            pack_version: "1".into(),
            validators: Vec::new(),
            manifest: manifest.encode_to_vec(),
            as_of: String::new(),
            policy: JobPolicy::default(),
            reviews: ReviewPolicy { agree, ..ReviewPolicy::default() },
            guard: Guard::default(),
            rules_off: Vec::new(),
            group_by: Vec::new(),
            traceparent: String::new(),
        }
    }

    #[test]
    fn a_job_stays_the_same_when_a_later_version_has_more_to_say_of_its_findings() {
        let (old, new) = (spec(&before(), &[]), spec(&told(), &["phone.odd"]));
        assert_eq!(difference(&old, &new), None);
        assert_eq!(difference(&new, &old), None);
        let mut reworded = told();
        reworded.findings[0].text_en = "Odd.".into();
        assert_eq!(difference(&new, &spec(&reworded, &["phone.odd"])), None);
    }

    #[test]
    fn what_decides_how_records_are_read_or_decided_on_makes_another_job() {
        let there = spec(&told(), &["phone.odd"]);
        let mut relabelled = told();
        relabelled.fields[0].aliases.push("Tel".into());
        let mut other_undo = there.clone();
        other_undo.reviews.undo = Duration::ZERO;
        let mut nonsense = there.clone();
        nonsense.manifest = vec![0xFF];
        for (asked, field) in [
            (spec(&relabelled, &["phone.odd"]), "manifest"),
            (spec(&told(), &["phone.odd", "phone.missing"]), "policy.reviews"),
            (spec(&told(), &["phone"]), "policy.reviews"),
            (other_undo, "policy.reviews"),
            (JobSpec { as_of: "2021-09-20".into(), ..there.clone() }, "as_of"),
        ] {
            assert_eq!(difference(&there, &asked), Some(field));
        }
        assert!(difference(&there, &nonsense).is_some());
        assert_eq!(difference(&nonsense, &nonsense), None);
    }
}
