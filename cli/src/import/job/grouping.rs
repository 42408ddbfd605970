//! The fields by which a job's records are put together, as the command line has them.

use anyhow::{Result, bail};
use emend_proto::v1::{GroupField, Job};

use crate::exit::Usage;
use crate::report::group_field;

/// A group by a field that no record has would be none, so a typing error must not pass.
pub(crate) fn check_names(wanted: &[GroupField], manifest: &emend_worker::Manifest) -> Result<()> {
    let is_field = |name: &str| manifest.fields.iter().any(|field| field.name == name);
    match wanted.iter().find(|by| !is_field(&by.field)) {
        None => Ok(()),
        Some(by) => Err(Usage::new(format!(
            "--group-by {} is no field of the rule pack {}; its fields are {}",
            by.field,
            manifest.name,
            manifest.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// A job that is there keeps its own fields, which must be those that the caller means, in any order.
pub(super) fn check_same(job: &Job, wanted: &[GroupField]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let name = &job.name;
    let there = job.grouping.as_ref().map_or(&[][..], |grouping| &grouping.by);
    if there.is_empty() {
        bail!("job `{name}` is there and is not grouped; leave --group-by out, or choose another --job");
    }
    // Where no normaliser is named, it is the manifest's, as when the job was made.
    let is_meant = |wanted: &GroupField, there: &GroupField| {
        wanted.field == there.field && (wanted.normaliser.is_empty() || wanted.normaliser == there.normaliser)
    };
    let has_all = wanted.iter().all(|wanted| there.iter().any(|there| is_meant(wanted, there)));
    let is_all = there.iter().all(|there| wanted.iter().any(|wanted| wanted.field == there.field));
    if !has_all || !is_all {
        bail!(
            "job `{name}` is there and is grouped by {}; leave --group-by out, or choose another --job",
            there.iter().map(group_field).collect::<Vec<_>>().join(",")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::Grouping;
    use emend_worker::{Field, Manifest};

    use super::*;

    fn by(fields: &[(&str, &str)]) -> Vec<GroupField> {
        let field = |&(field, normaliser): &(&str, &str)| GroupField {
            field: field.into(),
            normaliser: normaliser.into(),
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn names_are_fields() {
        let field = |name: &str| Field { name: name.into(), ..Field::default() };
        let manifest = Manifest { fields: vec![field("phone"), field("name")], ..Manifest::default() };
        check_names(&by(&[("phone", "")]), &manifest).unwrap();
        let said = check_names(&by(&[("phone", ""), ("fone", "digits")]), &manifest).unwrap_err();
        assert!(said.is::<Usage>(), "{said}");
        assert!(said.to_string().contains("--group-by fone is no field"), "{said}");
        assert!(said.to_string().contains("phone, name"), "{said}");
    }

    #[test]
    fn a_job_that_is_there_is_grouped_by_the_fields_that_are_meant() {
        let there = by(&[("name", "text"), ("born", "date")]);
        let grouping = Some(Grouping { by: there, ..Grouping::default() });
        let job = Job { name: "x".into(), grouping, ..Job::default() };
        for same in [&[][..], &[("name", ""), ("born", "")], &[("born", "date"), ("name", "")]] {
            check_same(&job, &by(same)).unwrap();
        }
        let other = [&[("name", "")][..], &[("name", "exact"), ("born", "")], &[("phone", ""), ("name", "")]];
        for other in other {
            let said = check_same(&job, &by(other)).unwrap_err().to_string();
            assert!(said.contains("leave --group-by out") && said.contains("`x`"), "{said}");
            assert!(said.contains("name:text,born:date"), "{said}");
        }
        let plain = Job { name: "x".into(), ..Job::default() };
        let said = check_same(&plain, &by(&[("name", "")])).unwrap_err().to_string();
        assert!(said.contains("is not grouped") && said.contains("--group-by"), "{said}");
        check_same(&plain, &[]).unwrap();
    }
}
