//! Leasing without its guards.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::domain::lease::{Leased, Token};
use crate::domain::time::Timestamp;
use crate::ids;
use crate::store::db::{Sql, params};
use crate::store::leases::{GRANT as TRUE_GRANT, GRANTED, Look, lease, read_leased};
use crate::store::{Lane, LeaseAsk, Store, StoreError, UnitToDo};

/// The pick stands where a plan may run it again for every row: each run skips what this statement has locked, and
/// finds the next.
const GRANT: Sql = Sql::same(
    "UPDATE units SET state = 'leased', epoch = epoch + 1, token_hash = $1, holder = $2, lease_request = $3,
         expires_at = $4, progress = NULL, idle_beats = 0
     WHERE id IN (SELECT u.id FROM units u WHERE u.job_id = (SELECT MIN(id) FROM jobs) AND u.state = 'ready'
                  ORDER BY u.first_seq LIMIT $5 FOR UPDATE SKIP LOCKED)",
);

/// The true statement, for which no unit was ever lost.
static GRANT_IN_COMPANY: LazyLock<[String; 2]> = LazyLock::new(|| {
    [TRUE_GRANT.postgres, TRUE_GRANT.sqlite].map(|text| {
        let parts = [
            ("u.attempts_left < (SELECT attempts FROM job) AS suspect", "FALSE AS suspect"),
            ("u.attempts_left >= (SELECT attempts FROM job)", "TRUE"),
        ];
        parts.into_iter().fold(text.to_owned(), |text, (guard, none)| {
            assert!(text.contains(guard), "the guard is written in another way now");
            text.replace(guard, none)
        })
    })
});

/// A call sent again is a new one.
pub(in crate::store) fn forget(ask: LeaseAsk) -> LeaseAsk {
    LeaseAsk { request: ids::commit_id(), ..ask }
}

impl Store {
    pub(in crate::store) async fn lease_in_company(
        &self,
        ask: LeaseAsk,
        expires_at: Timestamp,
    ) -> Result<Vec<Leased<UnitToDo>>, StoreError> {
        let [postgres, sqlite] = &*GRANT_IN_COMPANY;
        let grant = Sql::pair(postgres, sqlite);
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move { lease(tx, ask, expires_at, grant, Look::default()).await })
        })
        .await
    }

    pub(in crate::store) async fn lease_plainly(
        &self,
        ask: LeaseAsk,
        expires_at: Timestamp,
    ) -> Result<Vec<Leased<UnitToDo>>, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let (worker, request) = (ask.worker.as_str(), ask.request.as_str());
                if !tx.rows(GRANTED, params![worker, request]).await?.is_empty() {
                    return lease(tx, ask, expires_at, TRUE_GRANT, Look::default()).await;
                }
                let Some(token) = ask.tokens.first() else { return Ok(Vec::new()) };
                let wanted = i64::try_from(ask.tokens.len()).unwrap_or(i64::MAX);
                tx.execute(GRANT, params![token.hash(), worker, request, expires_at, wanted]).await?;
                let tokens: HashMap<Vec<u8>, &Token> = HashMap::from([(token.hash(), token)]);
                let rows = tx.rows(GRANTED, params![worker, request]).await?;
                rows.iter().filter_map(|row| read_leased(row, &tokens).transpose()).collect()
            })
        })
        .await
    }
}
