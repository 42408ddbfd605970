//! A store on a fresh database, with jobs that are quickly made.

use std::time::Duration;

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult};
use emend_scheduler::domain::guard::Guard;
use emend_scheduler::domain::job::{JobPolicy, JobRef, JobSpec, ReviewPolicy};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Batch, Having, Import, Job, SplitOutcome, Store, UnitStatus, pack};

use crate::database::{Backend, Database};
use crate::mutants;
use crate::records::records;
use crate::worker::{Worker, number};

/// When tests begin.
pub const T0: Timestamp = Timestamp(1_632_096_000_000);
/// How long a lease lasts.
pub const TTL: Duration = Duration::from_secs(60);
/// The pack of the suite's jobs.
pub const PACK: &str = "suite@1.0.0";
/// When the scheduler of the suite began: long ago.
pub const STARTED: Timestamp = Timestamp(0);

/// A store for one test.
#[derive(Debug)]
pub struct Bench {
    /// The store under test.
    pub store: Store,
    /// The database under it.
    pub database: Database,
}

impl Bench {
    /// A store on an empty database.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn new(backend: Backend) -> Self {
        let database = Database::new(backend).await;
        let store = Store::open(&database.url, 8).await.expect("the store opens");
        Self { store: mutants::mutated(store), database }
    }

    /// Closes the store and drops its database.
    pub async fn close(self) {
        self.store.close().await;
        self.database.close().await;
    }

    /// A worker of that name.
    pub fn worker(&self, name: &str) -> Worker {
        Worker::new(&self.store, name)
    }

    /// Makes a job with units of up to `unit_records`.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn new_job(&self, name: &str, unit_records: u32) -> Job {
        let (job, _) = self
            .store
            .create_job(spec(name, unit_records), Schedule::default(), T0)
            .await
            .expect("a job is made");
        job
    }

    /// A sealed job of records 1 to `records`, in units of `unit_records`.
    pub async fn job(&self, name: &str, records: i64, unit_records: u32) -> Job {
        let job = self.new_job(name, unit_records).await;
        self.import(&job, "file", 0, &self::records(1, records), true).await;
        self.seal(&job).await
    }

    /// Imports records in one batch.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn import(
        &self,
        job: &Job,
        import_id: &str,
        offset: i64,
        rows: &[Record],
        last: bool,
    ) -> Import {
        let begun = self.store.begin_import(JobRef::Id(job.id), import_id.into()).await;
        begun.expect("the import begins");
        self.store.import(job.id, batch(job, import_id, offset, rows, last)).await.expect("rows are taken")
    }

    /// Seals a job.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn seal(&self, job: &Job) -> Job {
        self.store.seal_job(JobRef::Id(job.id), T0).await.expect("the job is sealed")
    }

    /// Runs the expiry loop once, as a scheduler that began long ago.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn expire(&self, now: Timestamp) -> Vec<i64> {
        self.store.expire(now, STARTED, TTL).await.expect("leases expire")
    }

    /// Splits until there is nothing to split.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn split_all(&self, now: Timestamp) -> Vec<SplitOutcome> {
        let mut outcomes = Vec::new();
        loop {
            let split = self.store.split_one(format!("split-{}", number()), now).await;
            match split.expect("units are split") {
                Some(outcome) => outcomes.push(outcome),
                None => return outcomes,
            }
        }
    }

    /// The job's units, in order.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn units(&self, job: &Job) -> Vec<UnitStatus> {
        self.store.units(job.id, None, 0, 10_000).await.expect("units are listed")
    }

    /// The unit that begins at `first_seq`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn unit(&self, job: &Job, first_seq: i64) -> UnitStatus {
        let mut units = self.store.units(job.id, None, first_seq - 1, 1).await.expect("units are listed");
        units.pop().filter(|unit| unit.unit.first_seq == first_seq).expect("a unit begins there")
    }

    /// The state of the unit that begins at `first_seq`, its epoch, and its attempts left.
    pub async fn state(&self, job: &Job, first_seq: i64) -> (UnitState, i64, i64) {
        let unit = self.unit(job, first_seq).await.unit;
        (unit.state, unit.epoch, unit.attempts_left)
    }

    /// The stored results of all records, in order.
    ///
    /// # Panics
    /// When a block cannot be read.
    pub async fn results(&self, job: &Job) -> Vec<RecordResult> {
        let units =
            self.store.unit_blocks(job.id, Having::Anything, 0, 10_000).await.expect("blocks are read");
        let blocks = units.iter().filter_map(|unit| unit.results.as_ref());
        blocks
            .flat_map(|block| decode(block).expect("a sound block"))
            .map(|result| result.expect("a result"))
            .collect()
    }

    /// The result blocks in the database, whatever the units say.
    pub async fn result_blocks(&self) -> i64 {
        self.database.int("SELECT COUNT(*) FROM blocks WHERE revision > 0").await
    }
}

/// How the suite's jobs are made.
pub fn spec(name: &str, unit_records: u32) -> JobSpec {
    let (pack, version) = PACK.split_once('@').unwrap_or_default();
    JobSpec {
        name: name.into(),
        pack: pack.into(),
        pack_version: version.into(),
        validators: Vec::new(),
        manifest: Vec::new(),
        as_of: "2021-09-20".into(),
        traceparent: String::new(),
        reviews: ReviewPolicy::default(),
        guard: Guard::default(),
        rules_off: Vec::new(),
        group_by: Vec::new(),
        policy: JobPolicy { unit_records, ..JobPolicy::default() },
    }
}

/// A batch of records, packed as the job's policy says.
pub fn batch(job: &Job, import_id: &str, offset: i64, rows: &[Record], last: bool) -> Batch {
    let runs = pack(rows, &job.spec.policy);
    Batch { import_id: import_id.into(), offset, runs, last, at: T0, ..Batch::default() }
}

/// `T0` and so many seconds.
pub fn at(seconds: u64) -> Timestamp {
    T0 + Duration::from_secs(seconds)
}
