//! Reviews that are alike: a few are looked at, and when they say the same, the rest is decided with them.

use anyhow::Result;
use emend_proto::v1::{
    DecideClusterRequest, LeaseClusterRequest, LeaseClusterResponse, OpenReviewRequest, ReviewCard,
    ReviewLease, ReviewRef,
};

use super::ledger::Mark;
use super::person::{Choice, Said, choice};
use super::reviewer::{Reviewer, ask, is_overtaken, parts, request_id};
use crate::client::is_reason;

/// A smaller cluster is not worth the samples.
const LARGE: u32 = 12;
/// Members that are looked at, the first among them: as many as the scheduler wants to see opened.
const SAMPLES: usize = 5;

/// Whether to decide it with those that are alike.
pub(super) fn is_worth_it(card: &ReviewCard) -> bool {
    card.alike >= LARGE && card.findings.len() == 1
}

/// A member that was looked at, and what was made of it.
struct Sample {
    at: ReviewRef,
    round: u32,
    said: Said,
    choice: Option<Choice>,
}

/// Looks at samples of the cluster of a review that is held. Either all of it is decided; or, when the samples differ, they
/// alone, one by one. False when there is nothing to decide together after all.
pub(super) async fn decide(reviewer: &Reviewer, lease: &ReviewLease) -> Result<bool> {
    let (at, card) = parts(lease)?;
    let said = reviewer.judge(at, card)?;
    let choice = choice(card, &said);
    if choice.is_none() {
        return Ok(false);
    }
    let request = LeaseClusterRequest { reviewer: reviewer.name.clone(), review: Some(at) };
    let LeaseClusterResponse { members, token } = match ask!(reviewer, lease_cluster(request)) {
        Ok(held) => held,
        Err(status) if is_overtaken(&status) || is_reason(&status, "NO_CLUSTER") => return Ok(false),
        Err(status) => return Err(reviewer.explain(&status)),
    };
    let mut samples = vec![Sample { at, round: card.round, said, choice }];
    for &member in members.iter().filter(|&&member| member != at).take(SAMPLES - 1) {
        samples.extend(open(reviewer, member).await?);
    }
    let agree = samples.len() == SAMPLES && samples.iter().all(|sample| sample.choice == choice);
    match choice {
        Some(choice) if agree => together(reviewer, &members, &token, card.round, choice).await?,
        _ => {
            for sample in samples {
                reviewer.say(sample.at, sample.round, &token, sample.said).await?;
            }
        }
    }
    Ok(true)
}

/// Looks at a member; none when it was taken away.
async fn open(reviewer: &Reviewer, at: ReviewRef) -> Result<Option<Sample>> {
    let request = OpenReviewRequest { reviewer: reviewer.name.clone(), review: Some(at) };
    let opened = match ask!(reviewer, open_review(request)) {
        Ok(opened) => opened,
        Err(status) if is_overtaken(&status) => return Ok(None),
        Err(status) => return Err(reviewer.explain(&status)),
    };
    let Some(card) = opened.card else { return Ok(None) };
    let said = reviewer.judge(at, &card)?;
    let choice = choice(&card, &said);
    Ok(Some(Sample { at, round: card.round, said, choice }))
}

async fn together(
    reviewer: &Reviewer,
    members: &[ReviewRef],
    token: &[u8],
    round: u32,
    choice: Choice,
) -> Result<()> {
    let request = DecideClusterRequest {
        reviewer: reviewer.name.clone(),
        request_id: request_id(token, members[0]),
        members: members.to_vec(),
        token: token.to_vec(),
        proposal: match choice {
            Choice::Proposal(at) => Some(at),
            Choice::AsItIs => None,
        },
    };
    match ask!(reviewer, decide_cluster(request)) {
        Ok(_) => {}
        Err(status) if is_overtaken(&status) => {
            reviewer.floor.ledger().taken();
            return Ok(());
        }
        Err(status) => return Err(reviewer.explain(&status)),
    }
    let allows = |seq| reviewer.floor.truths.allows(seq, choice);
    let mark = |seq| if allows(seq) { Mark::Right } else { Mark::Wrong };
    let marks: Vec<_> = members.iter().map(|member| (member.seq, mark(member.seq))).collect();
    reviewer.floor.ledger().cluster(round, &marks);
    Ok(())
}
