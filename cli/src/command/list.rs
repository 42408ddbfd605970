//! `emend units`.

use anyhow::Result;
use emend_proto::v1::{ListUnitsRequest, UnitState, UnitStatus};
use serde::Serialize;

use super::{client, print, print_json};
use crate::args::{Common, UnitsArgs};
use crate::client::{call, explain};
use crate::exit::Exit;
use crate::term::{Table, right};

const PAGE: u32 = 1000;

/// A unit as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct UnitView {
    id: u64,
    state: &'static str,
    first_seq: u64,
    last_seq: u64,
    epoch: u64,
    attempts_left: u32,
    worker: String,
    progress: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_seconds: Option<f64>,
    valid: u64,
    corrected: u64,
    routed: u64,
    failed: u64,
}

impl From<UnitStatus> for UnitView {
    fn from(unit: UnitStatus) -> Self {
        let state = match unit.state() {
            UnitState::Unspecified => "unknown",
            UnitState::Ready => "ready",
            UnitState::Leased => "leased",
            UnitState::Done => "done",
            UnitState::Split => "split",
            UnitState::SetAside => "set_aside",
            UnitState::Waiting => "waiting",
            UnitState::Ungrouped => "ungrouped",
        };
        Self {
            id: unit.unit_id,
            state,
            first_seq: unit.first_seq,
            last_seq: unit.last_seq,
            epoch: unit.epoch,
            attempts_left: unit.attempts_left,
            worker: unit.worker_id,
            progress: unit.progress,
            expires_in_seconds: unit.expires_in.map(|left| left.seconds as f64 + f64::from(left.nanos) / 1e9),
            valid: unit.valid,
            corrected: unit.corrected,
            routed: unit.routed,
            failed: unit.failed,
        }
    }
}

impl UnitView {
    /// In one line.
    pub(super) fn line(&self) -> String {
        let who = match (self.worker.as_str(), self.state) {
            ("", _) => String::new(),
            (worker, "leased") => format!(", held by worker {worker}"),
            (worker, _) => format!(", committed by worker {worker}"),
        };
        format!(
            "{} ({}, records {}–{}, epoch {}{who})",
            self.id, self.state, self.first_seq, self.last_seq, self.epoch
        )
    }
}

pub(super) async fn units(args: UnitsArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let state = args.state.map_or(UnitState::Unspecified, Into::into);
    let (mut units, mut page_token) = (Vec::<UnitView>::new(), String::new());
    loop {
        let request =
            ListUnitsRequest { job: args.job.clone(), state: state.into(), page_size: PAGE, page_token };
        let page = call!(client, list_units(request)).map_err(|status| explain(&status, &args.job))?;
        units.extend(page.units.into_iter().map(UnitView::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.remote.json {
        print_json(&units)?;
    } else {
        print(&table(&units).to_string())?;
    }
    Ok(Exit::Done)
}

fn table(units: &[UnitView]) -> Table {
    let header = [
        "unit",
        "state",
        "records",
        "epoch",
        "attempts left",
        "worker",
        "valid",
        "corrected",
        "routed",
        "failed",
    ];
    let mut table = Table::new(header);
    for unit in units {
        let worker = match unit.expires_in_seconds {
            Some(left) => format!("{} ({} done, {left:.0} s left)", unit.worker, unit.progress),
            None => unit.worker.clone(),
        };
        table.row([
            right(unit.id),
            unit.state.into(),
            right(format!("{}–{}", unit.first_seq, unit.last_seq)),
            right(unit.epoch),
            right(unit.attempts_left),
            worker.into(),
            right(unit.valid),
            right(unit.corrected),
            right(unit.routed),
            right(unit.failed),
        ]);
    }
    table
}
