//! Granting leases.

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::v1::Block;

use super::db::{Column, Row, Sql, Tx, params};
use super::held_from::HeldFrom;
use super::{Lane, Store, StoreError, recut, units};
#[cfg(feature = "test-hooks")]
use super::{Mutant, mutant};
use crate::domain::grouping::GroupField;
use crate::domain::lease::{LeaseRef, Leased, Token};
use crate::domain::time::Timestamp;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// The worker.
    pub worker: String,
    /// The same when the call is sent again.
    pub request: String,
    /// Packs that it can run and validators that answer it, as `name@version`.
    pub packs: Vec<String>,
    /// It never holds more than this many units.
    pub may_hold: u32,
    /// A token for each unit that it wants.
    pub tokens: Vec<Token>,
    /// The units' records together are no larger, before compression; one unit always fits.
    pub max_bytes: i64,
    /// What a record costs, by `name@version`, as far as the worker knows it.
    pub costs: HashMap<String, Duration>,
}

/// A unit as a worker gets it.
#[derive(Debug, Clone)]
pub struct UnitToDo {
    /// Its first record.
    pub first_seq: i64,
    /// Its last record.
    pub last_seq: i64,
    /// Its records, compressed.
    pub records: Block,
    /// The job it is part of.
    pub job_id: i64,
    /// The pack to run.
    pub pack: String,
    /// Its version.
    pub pack_version: String,
    /// The day of the data, or empty.
    pub as_of: String,
    /// The W3C trace context of the call that made the job, or empty.
    pub traceparent: String,
    /// Rules whose changes go to people.
    pub paused_rules: Vec<String>,
    /// What runs after the pack, in order, as `name@version`.
    pub validators: Vec<String>,
    /// Rules that do not run.
    pub rules_off: Vec<String>,
    /// The fields by which the job's records were put together.
    pub group_by: Vec<GroupField>,
    /// How often it may still be lost.
    pub attempts_left: i64,
    /// It is run again: its results stand until then.
    pub has_results: bool,
}

/// Calls of one worker go one after another: two at once would each see room for what both then take. SQLite has one
/// writer anyway.
const ONE_BY_ONE: Sql = Sql::pair("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "SELECT $1");
/// It looks from a request on: see `held_from`.
const HELD: Sql = Sql::same(
    "SELECT COUNT(*) AS held, MIN(lease_request) AS first_request
     FROM units WHERE holder = $1 AND state = 'leased' AND lease_request >= $2",
);
const AGAIN: Sql = Sql::same(
    "SELECT 1 AS one FROM units WHERE holder = $1 AND state = 'leased' AND lease_request = $2 LIMIT 1",
);
/// Of the jobs of the highest priority with ready units, the one that holds least for its weight; then the earlier
/// deadline, then the older job. Leased units are counted only where there is a choice, so that one job alone
/// pays nothing for it.
///
/// A unit that was lost before goes alone, to a worker that holds nothing: if it kills that worker again, it takes no
/// other with it. Else records beside a deadly one would use up their attempts with it.
///
/// It looks from a place on (`$8`, in job `$7`): see `ready_from`.
///
/// The pick is materialised: under a nested-loop plan it would be run again for every row, and lock them all.
pub(super) const GRANT: Sql = Sql::pair(
    "WITH runnable AS MATERIALIZED (
         SELECT j.id, j.priority, j.weight, j.deadline_at, j.attempts, j.ruleset FROM jobs j
         WHERE j.state IN ('importing', 'running') AND NOT j.paused AND NOT j.deleted
           AND j.pack || '@' || j.pack_version = ANY($1)
           AND (SELECT COUNT(*) FROM json_array_elements_text(j.validators::json) AS v WHERE v <> ALL($1)) = 0
           AND EXISTS (SELECT 1 FROM units u
                       WHERE u.job_id = j.id AND u.state = 'ready' AND u.attempts_left > 0
                         AND u.first_seq >= CASE WHEN j.id = $7::bigint THEN $8::bigint ELSE 0 END)),
     first AS MATERIALIZED (
         SELECT * FROM runnable WHERE priority = (SELECT MAX(priority) FROM runnable)),
     job AS (
         SELECT f.id, f.attempts, f.ruleset FROM first f
         ORDER BY CASE WHEN (SELECT COUNT(*) FROM first) > 1
                       THEN (SELECT COUNT(*) FROM units u WHERE u.job_id = f.id AND u.state = 'leased')
                            * 1000000 / f.weight END,
             f.deadline_at NULLS LAST, f.id
         LIMIT 1),
     pick AS MATERIALIZED (
         SELECT u.id, u.first_seq, u.plain_bytes, u.attempts_left < (SELECT attempts FROM job) AS suspect FROM units u
         WHERE u.job_id = (SELECT id FROM job) AND u.state = 'ready' AND u.attempts_left > 0
           AND u.first_seq >= (SELECT CASE WHEN id = $7::bigint THEN $8::bigint ELSE 0 END FROM job)
           AND (u.attempts_left >= (SELECT attempts FROM job)
                OR NOT EXISTS (SELECT 1 FROM units h WHERE h.holder = $3 AND h.state = 'leased'))
         ORDER BY u.first_seq LIMIT $2 FOR UPDATE SKIP LOCKED),
     numbered AS MATERIALIZED (
         SELECT id, row_number() OVER w AS n, sum(plain_bytes) OVER w AS bytes,
             sum(CASE WHEN suspect THEN 1 ELSE 0 END) OVER w AS suspects FROM pick
         WINDOW w AS (ORDER BY first_seq))
     UPDATE units u SET state = 'leased', epoch = u.epoch + 1, token_hash = t.hash, holder = $3, lease_request = $4,
         expires_at = $5, progress = NULL, idle_beats = 0, ruleset = (SELECT ruleset FROM job)
     FROM numbered n JOIN unnest($9::bytea[]) WITH ORDINALITY AS t (hash, n) ON t.n = n.n
     WHERE u.id = n.id AND (n.n = 1 OR (n.bytes <= $6::bigint AND n.suspects = 0))",
    "WITH runnable AS MATERIALIZED (
         SELECT j.id, j.priority, j.weight, j.deadline_at, j.attempts, j.ruleset FROM jobs j
         WHERE j.state IN ('importing', 'running') AND NOT j.paused AND NOT j.deleted
           AND j.pack || '@' || j.pack_version IN (SELECT value FROM json_each($1))
           AND NOT EXISTS (SELECT 1 FROM json_each(j.validators) WHERE value NOT IN (SELECT value FROM json_each($1)))
           AND EXISTS (SELECT 1 FROM units u
                       WHERE u.job_id = j.id AND u.state = 'ready' AND u.attempts_left > 0
                         AND u.first_seq >= CASE WHEN j.id = $7 THEN $8 ELSE 0 END)),
     first AS MATERIALIZED (
         SELECT * FROM runnable WHERE priority = (SELECT MAX(priority) FROM runnable)),
     job AS (
         SELECT f.id, f.attempts, f.ruleset FROM first f
         ORDER BY CASE WHEN (SELECT COUNT(*) FROM first) > 1
                       THEN (SELECT COUNT(*) FROM units u WHERE u.job_id = f.id AND u.state = 'leased')
                            * 1000000 / f.weight END,
             f.deadline_at NULLS LAST, f.id
         LIMIT 1),
     pick AS MATERIALIZED (
         SELECT u.id, u.first_seq, u.plain_bytes, u.attempts_left < (SELECT attempts FROM job) AS suspect FROM units u
         WHERE u.job_id = (SELECT id FROM job) AND u.state = 'ready' AND u.attempts_left > 0
           AND u.first_seq >= (SELECT CASE WHEN id = $7 THEN $8 ELSE 0 END FROM job)
           AND (u.attempts_left >= (SELECT attempts FROM job)
                OR NOT EXISTS (SELECT 1 FROM units h WHERE h.holder = $3 AND h.state = 'leased'))
         ORDER BY u.first_seq LIMIT $2),
     numbered AS MATERIALIZED (
         SELECT id, row_number() OVER w AS n, sum(plain_bytes) OVER w AS bytes,
             sum(CASE WHEN suspect THEN 1 ELSE 0 END) OVER w AS suspects FROM pick
         WINDOW w AS (ORDER BY first_seq)),
     granted AS MATERIALIZED (
         SELECT n.id, substr($10, $9 -> (n.n - 1) ->> 0, $9 -> (n.n - 1) ->> 1) AS hash FROM numbered n WHERE n.n = 1 OR (n.bytes <= $6 AND n.suspects = 0))
     UPDATE units SET state = 'leased', epoch = epoch + 1, token_hash = g.hash, holder = $3, lease_request = $4,
         expires_at = $5, progress = NULL, idle_beats = 0, ruleset = (SELECT ruleset FROM job)
     FROM granted g WHERE units.id = g.id",
);
/// The same units to the same request, at a new epoch: whoever got the first answer has lost them.
const GRANT_AGAIN: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT id, first_seq FROM units
         WHERE holder = $1 AND lease_request = $2 AND state = 'leased' ORDER BY id LIMIT $3 FOR UPDATE),
     numbered AS MATERIALIZED (SELECT id, row_number() OVER (ORDER BY first_seq) AS n FROM pick)
     UPDATE units u SET epoch = u.epoch + 1, token_hash = t.hash, expires_at = $4, progress = NULL, idle_beats = 0
     FROM numbered n JOIN unnest($5::bytea[]) WITH ORDINALITY AS t (hash, n) ON t.n = n.n
     WHERE u.id = n.id",
    "WITH pick AS MATERIALIZED (
         SELECT id, first_seq FROM units
         WHERE holder = $1 AND lease_request = $2 AND state = 'leased' ORDER BY id LIMIT $3),
     numbered AS MATERIALIZED (
         SELECT id, row_number() OVER (ORDER BY first_seq) - 1 AS n FROM pick)
     UPDATE units SET epoch = epoch + 1, token_hash = substr($6, $5 -> n.n ->> 0, $5 -> n.n ->> 1), expires_at = $4, progress = NULL, idle_beats = 0
     FROM numbered n WHERE units.id = n.id",
);
pub(super) const GRANTED: Sql = Sql::same(
    "SELECT u.id, u.job_id, u.first_seq, u.last_seq, u.epoch, u.attempts_left, u.revision, u.token_hash, u.expires_at,
         j.pack, j.pack_version, j.as_of, j.traceparent, j.paused_rules, j.rules_off, j.validators, j.group_by, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN jobs j ON j.id = u.job_id JOIN blocks b ON b.unit_id = u.id AND b.revision = 0
     WHERE u.holder = $1 AND u.lease_request = $2 AND u.state = 'leased'
     ORDER BY u.first_seq",
);

impl Store {
    /// Leases ready units to a worker until `now + ttl`, all of one job: the most urgent. A damaged unit is set aside.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lease(
        &self,
        ask: LeaseAsk,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<Leased<UnitToDo>>, StoreError> {
        #[cfg(feature = "test-hooks")]
        let ask = match self.mutant {
            Some(Mutant::ForgetsRequests) => mutant::leases::forget(ask),
            Some(Mutant::SuspectsInCompany) => return self.lease_in_company(ask, now + ttl).await,
            Some(Mutant::PlainPick) => return self.lease_plainly(ask, now + ttl).await,
            _ => ask,
        };
        let from = self.ready_from.get(now);
        let look = Look { ready: from, held: self.held_from.clone(), now };
        let leased = self
            .write(Lane::Urgent, move |tx| {
                Box::pin(async move {
                    // Nearly all workers know of no cost.
                    let costly = (!ask.costs.is_empty()).then(|| (ask.clone(), look.clone()));
                    let leased = lease(tx, ask, now + ttl, GRANT, look).await?;
                    let Some((ask, look)) = costly else { return Ok(leased) };
                    let (short, cut) = recut::shorten(tx, &ask.costs, leased, ttl, now).await?;
                    // Units that were cut stand before all others.
                    if cut && short.is_empty() {
                        lease(tx, ask, now + ttl, GRANT, look).await
                    } else {
                        Ok(short)
                    }
                })
            })
            .await?;
        if let Some(first) = leased.first() {
            self.ready_from.found(first.what.job_id, first.what.first_seq, from, now);
        }
        Ok(leased)
    }

    /// Whether there is anything that [`Store::lease`] might grant for these packs; cheaper than asking for it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn has_ready(&self, packs: Vec<String>, now: Timestamp) -> Result<bool, StoreError> {
        let from = self.ready_from.get(now);
        self.read(move |tx| {
            Box::pin(async move {
                for (job_id, first_seq) in places(from) {
                    if tx.row(HAS_READY, params![packs.clone(), job_id, first_seq]).await?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
        })
        .await
    }
}

const HAS_READY: Sql = Sql::pair(
    "SELECT 1 AS one FROM jobs j
     WHERE j.state IN ('importing', 'running') AND NOT j.paused AND NOT j.deleted
       AND j.pack || '@' || j.pack_version = ANY($1)
       AND (SELECT COUNT(*) FROM json_array_elements_text(j.validators::json) AS v WHERE v <> ALL($1)) = 0
       AND EXISTS (SELECT 1 FROM units u WHERE u.job_id = j.id AND u.state = 'ready' AND u.attempts_left > 0
                     AND u.first_seq >= CASE WHEN j.id = $2::bigint THEN $3::bigint ELSE 0 END)
     LIMIT 1",
    "SELECT 1 AS one FROM jobs j
     WHERE j.state IN ('importing', 'running') AND NOT j.paused AND NOT j.deleted
       AND j.pack || '@' || j.pack_version IN (SELECT value FROM json_each($1))
       AND NOT EXISTS (SELECT 1 FROM json_each(j.validators) WHERE value NOT IN (SELECT value FROM json_each($1)))
       AND EXISTS (SELECT 1 FROM units u WHERE u.job_id = j.id AND u.state = 'ready' AND u.attempts_left > 0
                     AND u.first_seq >= CASE WHEN j.id = $2 THEN $3 ELSE 0 END)
     LIMIT 1",
);

/// Where to look, one place after the other: from `from` on, and then through everything.
fn places(from: (i64, i64)) -> impl Iterator<Item = (i64, i64)> {
    let everything = (0, 0);
    (from != everything).then_some(from).into_iter().chain([everything])
}

/// Where a call begins to look.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    /// For ready units: a job, and a place in it.
    ready: (i64, i64),
    /// For what workers hold.
    held: HeldFrom,
    now: Timestamp,
}

/// How many units a worker holds. Its next request is noted as one that may hold some, before it does.
async fn held(tx: &mut Tx, worker: &str, request: &str, look: &Look) -> Result<i64, StoreError> {
    let from = look.held.get(worker, look.now);
    let row = tx.row(HELD, params![worker, from.as_str()]).await?;
    let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
    let first = row.maybe_text("first_request")?.filter(|first| first.as_str() < request);
    look.held.found(worker, first.as_deref().unwrap_or(request), &from, look.now);
    row.int("held")
}

pub(super) async fn lease(
    tx: &mut Tx,
    ask: LeaseAsk,
    expires_at: Timestamp,
    grant: Sql,
    look: Look,
) -> Result<Vec<Leased<UnitToDo>>, StoreError> {
    tx.execute(ONE_BY_ONE, params![ask.worker.as_str()]).await?;
    let hashes = |count: usize| vec![Column::Blobs(ask.tokens.iter().take(count).map(Token::hash).collect())];
    let wanted = i64::try_from(ask.tokens.len()).unwrap_or(i64::MAX);
    let (worker, request) = (ask.worker.as_str(), ask.request.as_str());
    let granted = if tx.row(AGAIN, params![worker, request]).await?.is_some() {
        let again = params![worker, request, wanted, expires_at, hashes(ask.tokens.len())];
        tx.execute(GRANT_AGAIN, again).await?
    } else {
        let free = wanted.min(i64::from(ask.may_hold) - held(tx, worker, request, &look).await?);
        let Ok(count @ 1..) = usize::try_from(free) else { return Ok(Vec::new()) };
        let mut granted = 0;
        for (job_id, first_seq) in places(look.ready) {
            let packs = ask.packs.clone();
            let bytes = ask.max_bytes;
            let asked =
                params![packs, free, worker, request, expires_at, bytes, job_id, first_seq, hashes(count)];
            granted = tx.execute(grant, asked).await?;
            if granted > 0 {
                break;
            }
        }
        granted
    };
    if granted == 0 {
        return Ok(Vec::new());
    }
    let rows = tx.rows(GRANTED, params![worker, request]).await?;
    let tokens = ask.tokens.iter().map(|token| (token.hash(), token)).collect();
    let leased = rows.iter().filter_map(|row| read_leased(row, &tokens).transpose());
    let mut leased = leased.collect::<Result<Vec<_>, _>>()?;
    let (sound, damaged): (Vec<_>, Vec<_>) =
        leased.drain(..).partition(|leased: &Leased<UnitToDo>| leased.what.records.verify().is_ok());
    if !damaged.is_empty() {
        units::set_aside(tx, damaged.iter().map(|leased| leased.lease.unit_id).collect()).await?;
    }
    Ok(sound)
}

/// `None` when it keeps the token it has: a call sent again that wants fewer than before gets fewer.
pub(super) fn read_leased(
    row: &Row,
    tokens: &HashMap<Vec<u8>, &Token>,
) -> Result<Option<Leased<UnitToDo>>, StoreError> {
    let Some(&token) = tokens.get(&row.bytes("token_hash")?) else { return Ok(None) };
    Ok(Some(Leased {
        lease: LeaseRef { unit_id: row.int("id")?, epoch: row.int("epoch")?, token: token.clone() },
        expires_at: Timestamp(row.int("expires_at")?),
        what: UnitToDo {
            first_seq: row.int("first_seq")?,
            last_seq: row.int("last_seq")?,
            records: units::read_block(row)?,
            job_id: row.int("job_id")?,
            pack: row.text("pack")?,
            pack_version: row.text("pack_version")?,
            as_of: row.text("as_of")?,
            traceparent: row.text("traceparent")?,
            paused_rules: row.json("paused_rules")?,
            validators: row.json("validators")?,
            rules_off: row.json("rules_off")?,
            group_by: row.json("group_by")?,
            attempts_left: row.int("attempts_left")?,
            has_results: row.int("revision")? > 0,
        },
    }))
}
