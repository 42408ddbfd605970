//! A validator that does what the records say.

use std::sync::{Arc, Condvar, Mutex};

use emend_worker::{Change, Finding, JobContext, Manifest, Outcome, Record, Validator};
use tokio::sync::mpsc;

/// Opens once, for everybody.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// Does to each record what its field `do` says.
pub(crate) struct Obedient {
    manifest: Manifest,
    gate: Gate,
    entered: mpsc::UnboundedSender<String>,
}

/// The validator, the gate at which `"do": "wait"` stands, and the keys of the records that came to it.
pub(crate) fn obedient() -> (Arc<dyn Validator>, Gate, mpsc::UnboundedReceiver<String>) {
    let (gate, (entered, keys)) = (Gate::default(), mpsc::unbounded_channel());
    let manifest =
        Manifest { name: "test".into(), version: "1".into(), key_field: "id".into(), ..Manifest::default() };
    (Arc::new(Obedient { manifest, gate: gate.clone(), entered }), gate, keys)
}

impl Validator for Obedient {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        records.iter().flat_map(|record| self.obey(record)).collect()
    }
}

impl Obedient {
    fn obey(&self, record: &Record<'_>) -> Vec<Outcome> {
        let finding =
            |code: &'static str| Finding { code: code.into(), field: "do".into(), ..Finding::default() };
        let change =
            || Change { field: "do".into(), before: "fix".into(), after: "ok".into(), rule: "r".into() };
        match record.get("do").unwrap() {
            "panic" => panic!("value of {}", record.key()),
            "wait" => {
                self.entered.send(record.key().to_owned()).ok();
                self.gate.pass();
                vec![Outcome::default()]
            }
            "fix" => vec![Outcome { changes: vec![change()], findings: vec![] }],
            "route" => vec![Outcome { changes: vec![], findings: vec![finding("do.route")] }],
            "both" => vec![Outcome { changes: vec![change()], findings: vec![finding("do.route")] }],
            "none" => vec![],
            "large" => {
                let proposals = vec!["x".repeat(emend_proto::MAX_BLOCK_BYTES)];
                vec![Outcome {
                    changes: vec![],
                    findings: vec![Finding { proposals, ..finding("do.large") }],
                }]
            }
            _ => vec![Outcome::default()],
        }
    }
}
