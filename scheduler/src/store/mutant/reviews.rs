//! Reviews without their guards.

use std::sync::LazyLock;

use crate::store::db::{Sql, params};
use crate::store::reviews::CLAIMS;
use crate::store::{Decision, Lane, Mutant, Store, StoreError};

/// The true statements, for which no lease is too young.
static SHARING: LazyLock<[[[String; 2]; 3]; 2]> = LazyLock::new(|| {
    let blind = |text: &str| {
        assert!(text.contains("BETWEEN 1 AND $2"), "the guard is written in another way now");
        text.replace("BETWEEN 1 AND $2", ">= 1 AND $2 > 0 AND r.holder IS DISTINCT FROM $6")
    };
    CLAIMS.map(|claims| claims.map(|claim| [claim.postgres, claim.sqlite].map(blind)))
});
const NOTHING_PASSED: Sql = Sql::same("UPDATE review_hands SET passed = FALSE WHERE reviewer = $1");
const ALL_RAN_OUT: Sql =
    Sql::same("UPDATE reviews SET expires_at = NULL WHERE job_id = $1 AND state = 'open'");
const SAID_BY_ANOTHER: Sql =
    Sql::same("UPDATE decisions SET reviewer = reviewer || '-' WHERE job_id = $1 AND reviewer = $2");

impl Store {
    pub(in crate::store) async fn unguarded(
        &self,
        claims: [[Sql; 3]; 2],
        reviewer: &str,
    ) -> Result<[[Sql; 3]; 2], StoreError> {
        let reviewer = reviewer.to_owned();
        match self.mutant {
            Some(Mutant::SharesReviews) => {
                let pair = |[postgres, sqlite]: &'static [String; 2]| Sql::pair(postgres, sqlite);
                return Ok(SHARING.each_ref().map(|lane| lane.each_ref().map(pair)));
            }
            Some(Mutant::AgreesWithItself) => {
                self.write(Lane::Urgent, |tx| {
                    Box::pin(async move { tx.execute(NOTHING_PASSED, params![reviewer]).await.map(drop) })
                })
                .await?;
            }
            _ => {}
        }
        Ok(claims)
    }

    /// What the guard would look at is made unseen just before.
    pub(in crate::store) async fn unguard_decision(&self, decision: &Decision) -> Result<(), StoreError> {
        let (job_id, reviewer) = (decision.job_id, decision.reviewer.clone());
        match self.mutant {
            Some(Mutant::OutvotesHolder) => {
                self.write(Lane::Urgent, move |tx| {
                    Box::pin(async move { tx.execute(ALL_RAN_OUT, params![job_id]).await.map(drop) })
                })
                .await
            }
            Some(Mutant::AgreesWithItself) => {
                self.write(Lane::Urgent, move |tx| {
                    Box::pin(
                        async move { tx.execute(SAID_BY_ANOTHER, params![job_id, reviewer]).await.map(drop) },
                    )
                })
                .await
            }
            _ => Ok(()),
        }
    }
}
