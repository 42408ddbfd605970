//! Runs operations against the store and the oracle side by side, and compares after each.

mod ask;
mod check;
mod resolve;

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::decode;
use emend_proto::v1::Record;
use emend_scheduler::domain::job::{JobPolicy, JobSpec};
use emend_scheduler::domain::lease::{LeaseRef, Token};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Job, LeaseAsk, Mutant, Store};
use emend_tests::bench::{PACK, T0, TTL, spec};
use emend_tests::database::Database;
use emend_tests::worker::{Lease, number};

use crate::call::{Answer, Call, Rows, Sending};
use crate::op::{Op, Skew, Way};
use crate::oracle::{MAY_HOLD, Oracle};

/// Why a run is not as it should be.
pub(crate) type Wrong = String;

/// A lease as the worker that got it remembers it.
#[derive(Debug, Clone)]
struct Known {
    worker: String,
    lease: LeaseRef,
    first: i64,
    records: Vec<Record>,
}

/// One run: a store, the oracle, and what the workers know.
#[derive(Debug)]
pub(crate) struct Driver<'a> {
    database: &'a Database,
    mutant: Option<Mutant>,
    /// Open, but for the moment of a restart.
    store: Option<Store>,
    pub(crate) job: Job,
    pub(crate) oracle: Oracle,
    /// What time it is, and by how much the scheduler's clock is off.
    now: Timestamp,
    skew: i64,
    known: Vec<Known>,
    requests: HashMap<u8, String>,
    sources: HashMap<u8, Rows>,
    /// Commits that were sent, with their workers.
    sent: Vec<(String, Sending)>,
}

const TEN_YEARS: i64 = 10 * 365 * 24 * 3600 * 1000;
const UNIT_RECORDS: u32 = 3;
const ATTEMPTS: u32 = 2;

impl<'a> Driver<'a> {
    /// A fresh job in a store that holds nothing.
    pub(crate) async fn new(database: &'a Database, mutant: Option<Mutant>) -> Result<Self, Wrong> {
        let store = open(&database.url, mutant).await?;
        let policy = JobPolicy { unit_records: UNIT_RECORDS, attempts: ATTEMPTS, ..JobPolicy::default() };
        let made =
            store.create_job(JobSpec { policy, ..spec("simulation", 1) }, Schedule::default(), T0).await;
        let (job, new) = made.map_err(|error| error.to_string())?;
        if !new {
            return Err("the store holds the job of another run".into());
        }
        Ok(Self {
            database,
            mutant,
            store: Some(store),
            job,
            oracle: Oracle::new(UNIT_RECORDS as usize, i64::from(ATTEMPTS)),
            now: T0,
            skew: 0,
            known: Vec::new(),
            requests: HashMap::new(),
            sources: HashMap::new(),
            sent: Vec::new(),
        })
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("open")
    }

    /// The scheduler stops; its lock on the file goes with it.
    pub(crate) async fn stop(&mut self) {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.0 + self.skew)
    }

    /// Does one thing, and compares.
    pub(crate) async fn run(&mut self, op: &Op) -> Result<(), Wrong> {
        match op {
            Op::Time { seconds } => self.now = self.now + Duration::from_secs((*seconds).into()),
            Op::Skew(skew) => {
                self.skew = match skew {
                    Skew::Right => 0,
                    Skew::TenYearsAhead => TEN_YEARS,
                    Skew::TenYearsBehind => -TEN_YEARS,
                }
            }
            Op::Restart => {
                self.stop().await;
                self.store = Some(open(&self.database.url, self.mutant).await?);
            }
            Op::Together(one, other) => {
                if let (Some(one), Some(other)) = (self.message(one), self.message(other)) {
                    self.together(one, other).await?;
                }
            }
            Op::Damage { unit } => self.damage(*unit).await,
            Op::Repair => self.repair().await?,
            Op::Lease { worker, count, repeat, way } => self.lease(*worker, *count, *repeat, *way).await?,
            op => {
                for call in self.calls(op) {
                    self.step(call).await?;
                }
            }
        }
        self.same().await
    }

    /// One call, answered by both.
    pub(crate) async fn step(&mut self, call: Call) -> Result<Answer, Wrong> {
        self.oracle.now = self.now().0;
        let expected = self.oracle.apply(&call);
        let answer = self.ask(&call).await.map_err(|error| format!("{call:?}: {error}"))?;
        if answer != expected {
            return Err(format!("{call:?}\n  answered {answer:?}\n  expected {expected:?}"));
        }
        self.note(&call, &answer);
        Ok(answer)
    }

    /// Remembers which commits were acknowledged.
    fn note(&mut self, call: &Call, answer: &Answer) {
        let (Call::Commit { worker, commits }, Answer::Commits(answers)) = (call, answer) else { return };
        let taken = commits.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
        self.sent.extend(taken.map(|(sending, _)| (worker.clone(), sending.clone())));
    }

    /// Two calls in the same moment: one order or the other explains both answers and what is left behind.
    async fn together(&mut self, one: Call, other: Call) -> Result<(), Wrong> {
        let (here, there) = tokio::join!(self.ask(&one), self.ask(&other));
        let here = here.map_err(|error| format!("{one:?}: {error}"))?;
        let there = there.map_err(|error| format!("{other:?}: {error}"))?;
        let mut before = self.oracle.clone();
        before.now = self.now().0;
        let mut why = String::new();
        for first_comes_first in [true, false] {
            let mut oracle = before.clone();
            let expected = if first_comes_first {
                let first = oracle.apply(&one);
                (first, oracle.apply(&other))
            } else {
                let first = oracle.apply(&other);
                (oracle.apply(&one), first)
            };
            if (&expected.0, &expected.1) != (&here, &there) {
                why.push_str(&format!("\n  expected {expected:?}"));
                continue;
            }
            self.oracle = oracle;
            match self.same().await {
                Ok(()) => {
                    self.note(&one, &here);
                    self.note(&other, &there);
                    return Ok(());
                }
                Err(wrong) => why.push_str(&format!("\n  {wrong}")),
            }
        }
        Err(format!("{one:?}\n  together with {other:?}\n  answered {here:?}, {there:?}{why}"))
    }

    async fn lease(&mut self, worker: u8, count: u8, repeat: bool, way: Way) -> Result<(), Wrong> {
        let again = self.requests.get(&worker).filter(|_| repeat).cloned();
        let request = again.unwrap_or_else(|| format!("request-{}", number()));
        self.requests.insert(worker, request.clone());
        let times = match way {
            Way::RequestLost => 0,
            Way::Arrives | Way::AnswerLost => 1,
            Way::Doubled => 2,
        };
        for _ in 0..times {
            let token = || Token::new(u128::from(number()).to_be_bytes());
            let tokens = std::iter::repeat_with(token).take(count.into()).collect();
            let leases = self.lease_now(format!("w{worker}"), request.clone(), tokens).await?;
            if way != Way::AnswerLost {
                self.remember(&format!("w{worker}"), leases);
            }
        }
        Ok(())
    }

    /// Leases, and answers with what the worker got.
    pub(crate) async fn lease_now(
        &mut self,
        worker: String,
        request: String,
        tokens: Vec<Token>,
    ) -> Result<Vec<Lease>, Wrong> {
        let ask = LeaseAsk {
            worker: worker.clone(),
            request: request.clone(),
            packs: vec![PACK.into()],
            may_hold: MAY_HOLD,
            tokens: tokens.clone(),
            max_bytes: 8 * 1024 * 1024,
            costs: HashMap::new(),
        };
        let leases = self.store().lease(ask, TTL, self.now()).await.map_err(|error| error.to_string())?;
        let told = leases.iter().map(|lease| {
            (
                lease.what.first_seq,
                lease.what.last_seq,
                lease.lease.epoch,
                lease.lease.token.secret().to_vec(),
            )
        });
        let answer = Answer::Leases(told.collect());
        self.oracle.now = self.now().0;
        let expected = self.oracle.apply(&Call::Lease { worker, request: request.clone(), tokens });
        if answer != expected {
            return Err(format!("lease {request}\n  answered {answer:?}\n  expected {expected:?}"));
        }
        Ok(leases)
    }

    fn remember(&mut self, worker: &str, leases: Vec<Lease>) {
        self.known.extend(leases.into_iter().map(|lease| Known {
            worker: worker.to_owned(),
            first: lease.what.first_seq,
            records: records(&lease),
            lease: lease.lease,
        }));
    }

    /// The records of a unit that waits rot: their checksum does not fit any more.
    async fn damage(&mut self, number: u8) {
        let Oracle { deleted, gone, units, .. } = &mut self.oracle;
        let sound = |unit: &&mut crate::oracle::Unit| unit.state == UnitState::Ready && !unit.damaged;
        let mut sound: Vec<_> = units.iter_mut().filter(sound).collect();
        if sound.is_empty() || *deleted || *gone {
            return;
        }
        let at = usize::from(number) % sound.len();
        let Some(id) = sound[at].id else { return };
        sound[at].damaged = true;
        let rot = format!("UPDATE blocks SET checksum = checksum + 1 WHERE unit_id = {id} AND revision = 0");
        self.database.execute(&rot).await;
    }

    /// The disk is well again, and an operator says so.
    async fn repair(&mut self) -> Result<(), Wrong> {
        for unit in self.oracle.units.iter_mut().filter(|unit| unit.damaged) {
            unit.damaged = false;
            let Some(id) = unit.id else { continue };
            let heal =
                format!("UPDATE blocks SET checksum = checksum - 1 WHERE unit_id = {id} AND revision = 0");
            self.database.execute(&heal).await;
        }
        self.step(Call::Retry).await.map(drop)
    }
}

async fn open(url: &str, mutant: Option<Mutant>) -> Result<Store, Wrong> {
    let store = Store::open(url, 4).await.map_err(|error| error.to_string())?;
    Ok(mutant.map_or_else(|| store.clone(), |mutant| store.with_mutant(mutant)))
}

/// The records that came with a lease.
pub(crate) fn records(lease: &Lease) -> Vec<Record> {
    let records = decode(&lease.what.records).expect("a sound block");
    records.map(|record| record.expect("a record")).collect()
}
