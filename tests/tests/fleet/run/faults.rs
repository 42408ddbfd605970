//! What is done to the fleet, in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use emend_tests::postgres::Postgres;
use emend_tests::process::Signal;
use emend_tests::proxy::{Network, Proxy};
use emend_tests::rabbitmq::RabbitMq;
use emend_tests::receipts;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use super::Plan;
use super::events;
use super::rig::{LEASE, Rig, SCHEDULERS, WORKERS};

/// How long a network stays cut: longer than a lease, so that it matters.
const CUT: Duration = Duration::from_secs(LEASE + 1);
/// How long a worker stands still.
const PAUSE: Duration = Duration::from_secs(2 * LEASE);
/// How long the broker stays frozen.
const FROZEN: Duration = Duration::from_secs(6);

/// A fault. Those that kill come between those that cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    WorkerKilled,
    SchedulerCutFromStore,
    SchedulerKilled,
    BrokerWiped,
    WorkerPaused,
    PostmasterKilled,
    CallsDoNotArrive,
    SchedulerReplaced,
    BrokerFrozen,
    AnswersDoNotArrive,
    BrokerKilled,
}

const TURNS: [Fault; 11] = [
    Fault::WorkerKilled,
    Fault::SchedulerCutFromStore,
    Fault::SchedulerKilled,
    Fault::BrokerWiped,
    Fault::WorkerPaused,
    Fault::PostmasterKilled,
    Fault::CallsDoNotArrive,
    Fault::SchedulerReplaced,
    Fault::BrokerFrozen,
    Fault::AnswersDoNotArrive,
    Fault::BrokerKilled,
];

/// How often each fault was done.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Fault, u32>);

impl Told {
    pub(crate) fn count(&self) -> u32 {
        self.0.values().sum()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults:", self.count())?;
        self.0.iter().try_for_each(|(fault, count)| write!(f, " {fault:?} {count},"))
    }
}

/// Does one fault after another, at the plan's pace, until the job is over.
pub(crate) async fn go_on(
    plan: Plan,
    rig: &mut Rig,
    server: &Postgres,
    broker: &mut RabbitMq,
    told: &mut Told,
    over: &CancellationToken,
) -> Result<()> {
    let mut dice = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut beat = interval_at(tokio::time::Instant::now() + plan.every, plan.every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for fault in TURNS.into_iter().cycle() {
        tokio::select! {
            _ = beat.tick() => {}
            () = over.cancelled() => break,
        }
        *told.0.entry(fault).or_default() += 1;
        println!("{fault:?}");
        disturb(fault, rig, server, broker, &mut dice).await?;
        rig.supervise()?;
    }
    Ok(())
}

async fn disturb(
    fault: Fault,
    rig: &mut Rig,
    server: &Postgres,
    broker: &mut RabbitMq,
    dice: &mut ChaCha8Rng,
) -> Result<()> {
    let calm = rig.calm();
    let (scheduler, worker) = (dice.random_range(0..SCHEDULERS), dice.random_range(0..WORKERS));
    match fault {
        Fault::WorkerKilled => {
            rig.workers[worker].kill()?;
            rig.workers[worker] = receipts::worker(&rig.deployment, worker)?;
        }
        Fault::WorkerPaused => {
            rig.workers[worker].signal(Signal::Stop)?;
            sleep(PAUSE).await;
            rig.workers[worker].signal(Signal::Continue)?;
        }
        Fault::SchedulerKilled => {
            rig.schedulers[scheduler].kill()?;
            rig.schedulers[scheduler] = rig.scheduler(scheduler)?;
        }
        Fault::SchedulerReplaced => {
            rig.schedulers[scheduler].signal(Signal::Terminate)?;
            rig.schedulers[scheduler].end(crate::LIMIT).await?;
            rig.schedulers[scheduler] = rig.scheduler(scheduler)?;
        }
        Fault::SchedulerCutFromStore => {
            let cut = Network { up_cut: true, down_cut: true, ..Network::default() };
            cut_off(&rig.backs[scheduler], cut, Network::default()).await;
        }
        Fault::CallsDoNotArrive => {
            cut_off(&rig.fronts[scheduler], Network { up_cut: true, ..calm }, calm).await;
        }
        Fault::AnswersDoNotArrive => {
            cut_off(&rig.fronts[scheduler], Network { down_cut: true, ..calm }, calm).await;
        }
        Fault::PostmasterKilled => server.crash().await?,
        Fault::BrokerFrozen => {
            broker.freeze()?;
            sleep(FROZEN).await;
            broker.thaw()?;
        }
        Fault::BrokerKilled => {
            broker.kill()?;
            start_again(broker).await?;
        }
        Fault::BrokerWiped => {
            broker.kill()?;
            broker.wipe()?;
            start_again(broker).await?;
        }
    }
    Ok(())
}

async fn cut_off(line: &Proxy, cut: Network, calm: Network) {
    line.network(cut);
    sleep(CUT).await;
    line.network(calm);
}

async fn start_again(broker: &mut RabbitMq) -> Result<()> {
    broker.run().await?;
    // The consumer comes back, and makes what it needs if that is gone.
    drop(events::subscribe(broker).await?);
    Ok(())
}
