//! `emend pod-cost`: tells Kubernetes which worker pods to take first when there are too many.
//!
//! A ReplicaSet that shrinks deletes the pods with the lowest `pod-deletion-cost` first. The cost here is what a pod
//! would leave unfinished, on a coarse scale: every change of it is a write to the API server.

mod api;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use emend_proto::v1::{ListWorkersRequest, WorkerStatus};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, call};

pub use api::{Api, Pod};

const PAGE: u32 = 1000;

/// Sets the cost of the pods that `api` shows, every `interval`, until `shutdown`. What fails is tried again at the
/// next turn.
pub async fn run(client: Client, api: Api, interval: Duration, shutdown: CancellationToken) {
    loop {
        match turn(&client, &api).await {
            Ok(0) => tracing::debug!("no pod's cost changed"),
            Ok(pods) => tracing::info!(pods, "costs set"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "costs not set; trying again"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// One look at workers and pods; how many pods got another cost.
async fn turn(client: &Client, api: &Api) -> Result<usize> {
    let workers = workers(client).await?;
    let api = api.clone();
    // The client of the API server blocks.
    tokio::task::spawn_blocking(move || {
        let pods = api.pods()?;
        let changes = changes(&pods, &workers);
        for (pod, cost) in &changes {
            api.set_cost(pod, *cost)?;
        }
        Ok(changes.len())
    })
    .await?
}

async fn workers(client: &Client) -> Result<Vec<WorkerStatus>> {
    let (mut workers, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListWorkersRequest { page_size: PAGE, page_token };
        let page = call!(client, list_workers(request))?;
        workers.extend(page.workers);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(workers);
        }
    }
}

/// The pods whose cost is not what it should be, and what it should be.
fn changes(pods: &[Pod], workers: &[WorkerStatus]) -> Vec<(String, u32)> {
    let mut left: HashMap<&str, u64> = HashMap::new();
    for worker in workers {
        // A worker's id is its host's name, which is the pod's, and a part that is new at each start.
        // A worker that has shown who it is has its caller's name before its own.
        let own = worker.worker_id.rsplit_once('/').map_or(worker.worker_id.as_str(), |(_, own)| own);
        let pod = own.rsplit_once('-').map_or(own, |(pod, _)| pod);
        *left.entry(pod).or_default() += worker.records.saturating_sub(worker.progress);
    }
    let wanted = |pod: &Pod| level(left.get(pod.name.as_str()).copied().unwrap_or(0));
    let differ = pods.iter().filter(|pod| pod.cost != wanted(pod));
    differ.map(|pod| (pod.name.clone(), wanted(pod))).collect()
}

/// 0 for nothing, then one more for each doubling of the records left.
fn level(records: u64) -> u32 {
    u64::BITS - records.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_whose_level_changed_are_written() {
        let worker = |worker_id: &str, records, progress| WorkerStatus {
            worker_id: worker_id.into(),
            records,
            progress,
            ..WorkerStatus::default()
        };
        let pod = |name: &str, cost| Pod { name: name.into(), cost };
        let workers =
            [worker("w-1-aa", 500, 0), worker("w-2-bb", 1000, 1000), worker("night/w-3-cc", 600, 200)];
        let pods = [pod("w-1", 0), pod("w-2", 4), pod("w-3", 9), pod("idle", 0), pod("was-busy", 3)];
        let expected = [("w-1", 9), ("w-2", 0), ("was-busy", 0)].map(|(pod, cost)| (pod.to_owned(), cost));
        assert_eq!(changes(&pods, &workers), expected);
    }

    #[test]
    fn a_level_is_a_doubling() {
        assert_eq!([0, 1, 2, 3, 4, 1000].map(level), [0, 1, 2, 2, 3, 10]);
    }
}
