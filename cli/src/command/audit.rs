//! `emend audit`.

use anyhow::{Result, anyhow};
use emend_scheduler::{AuditReport, verify_audit};
use serde_json::json;

use super::{print, print_json, settings};
use crate::args::{AuditArgs, AuditCommand, Common};
use crate::exit::Exit;

pub(super) async fn run(args: AuditArgs, common: &Common) -> Result<Exit> {
    let AuditCommand::Verify(args) = args.command;
    let flags = args.store.map(|store| ("scheduler.store", store.into()));
    let config = settings(common, "warn", flags.into_iter().collect())?.scheduler;
    let report = verify_audit(&config, args.head.as_deref()).await;
    let report = report.map_err(|error| anyhow!("the audit log cannot be checked: {error}"))?;
    if args.json {
        print_json(&json(&report))?;
    } else {
        print(&words(&report))?;
    }
    Ok(if report.faults.is_empty() { Exit::Done } else { Exit::Failed })
}

fn json(report: &AuditReport) -> serde_json::Value {
    let faults: Vec<_> = report
        .faults
        .iter()
        .map(|fault| json!({ "entry": fault.number(), "what": fault.to_string() }))
        .collect();
    json!({
        "sound": faults.is_empty(),
        "entries": report.head.number,
        "mac": report.head.mac.to_string(),
        "kept": report.kept.map(|head| head.number),
        "unsealed": report.unsealed,
        "faults": faults,
    })
}

fn words(report: &AuditReport) -> String {
    let mut lines: Vec<String> = report.faults.iter().map(|fault| format!("WRONG: {fault}")).collect();
    if lines.is_empty() {
        lines.push(format!("sound: {} entries, none edited, removed, moved or cut", report.head.number));
    }
    lines.push(match report.kept {
        Some(head) => format!("kept head: entry {}", head.number),
        None => "no kept head was given: a cut of the newest entries would not be seen".into(),
    });
    if report.unsealed > 0 {
        lines.push(format!("{} entries are not chained yet, and could be changed unseen", report.unsealed));
    }
    lines.push(format!("head now: {}", report.head));
    lines.join("\n")
}
