//! The statements that take reviews: two dialects, and a text for each lane and number.

use super::super::db::Sql;

/// Jobs with something for people, the most urgent first. Of EXISTS PostgreSQL would make a hash of all open reviews.
macro_rules! jobs {
    ($index:literal) => {
        concat!(
            "SELECT j.id FROM jobs j
             WHERE j.state IN ('importing', 'running', 'reviewing') AND NOT j.paused AND NOT j.deleted
               AND (SELECT 1 FROM reviews r ",
            $index,
            " WHERE r.job_id = j.id AND r.state = 'open' LIMIT 1) = 1
             ORDER BY j.priority DESC, j.deadline_at NULLS LAST, j.id"
        )
    };
}
pub(super) const ALL_JOBS: Sql = Sql::pair(jobs!(""), jobs!("INDEXED BY reviews_free"));

/// What may be taken by `$6` of one lane, in an order that the index of free ones has. SQLite, left alone, would take the
/// primary key, and walk past all that was decided.
macro_rules! free {
    (postgres, $lane:literal, $free:literal, $most:literal) => {
        concat!(
            "SELECT r.seq FROM reviews r
             WHERE r.job_id = $1 AND r.state = 'open' AND r.lane = '",
            $lane,
            "'
               AND GREATEST(r.due_at, COALESCE(r.expires_at, 0)) ",
            $free,
            "
               AND ($3 = '' OR position(',' || $3 || ',' IN ',' || r.kind || ',') > 0)
               AND ($4 OR NOT EXISTS (
                   SELECT 1 FROM unnest(string_to_array(r.kind, ',')) AS code
                   WHERE code <> ALL($5) AND split_part(code, '.', 1) <> ALL($5)))
               AND NOT EXISTS (SELECT 1 FROM review_hands h
                   WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $6 AND h.passed)
             ORDER BY GREATEST(r.due_at, COALESCE(r.expires_at, 0)), r.seq LIMIT ",
            $most,
            " FOR UPDATE OF r SKIP LOCKED"
        )
    };
    (sqlite, $lane:literal, $free:literal, $most:literal) => {
        concat!(
            "SELECT seq FROM (
                 SELECT r.seq FROM reviews r INDEXED BY reviews_free
                 WHERE r.job_id = $1 AND r.state = 'open' AND r.lane = '",
            $lane,
            "'
                   AND MAX(r.due_at, COALESCE(r.expires_at, 0)) ",
            $free,
            "
                   AND ($3 = '' OR instr(',' || r.kind || ',', ',' || $3 || ',') > 0)
                   AND ($4 OR NOT EXISTS (
                       SELECT 1 FROM json_each('[\"' || replace(r.kind, ',', '\",\"') || '\"]') AS code
                       WHERE code.value NOT IN (SELECT value FROM json_each($5))
                         AND substr(code.value, 1, instr(code.value, '.') - 1)
                             NOT IN (SELECT value FROM json_each($5))))
                   AND NOT EXISTS (SELECT 1 FROM review_hands h
                       WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $6 AND h.passed)
                 ORDER BY MAX(r.due_at, COALESCE(r.expires_at, 0)), r.seq LIMIT ",
            $most,
            ")"
        )
    };
}
/// A claim of open reviews of one lane: of those that came back, which are older, or else of those that nobody has had. How
/// many is said in the text: a planner that does not know it would rather sort all of them. Whoever asks at the same instant
/// passes over the rows that others are taking.
macro_rules! claim {
    ($lane:literal) => {
        [claim!($lane, "1"), claim!($lane, "2"), claim!($lane, "3")]
    };
    ($lane:literal, $most:literal) => {
        Sql::pair(
            concat!(
                "WITH back AS MATERIALIZED (", free!(postgres, $lane, "BETWEEN 1 AND $2", $most), "),
                 fresh AS MATERIALIZED (",
                free!(postgres, $lane, "<= 0 AND (SELECT COUNT(*) FROM back) = 0", $most), ")
                 UPDATE reviews r SET holder = $6, expires_at = $7, opened = TRUE
                 FROM (SELECT seq FROM back UNION ALL SELECT seq FROM fresh) p WHERE r.job_id = $1 AND r.seq = p.seq
                 RETURNING r.job_id, r.seq, r.round, r.lane, r.alike, r.expires_at"
            ),
            concat!(
                "UPDATE reviews SET holder = $6, expires_at = $7, opened = TRUE
                 WHERE job_id = $1 AND seq IN (",
                free!(sqlite, $lane, "BETWEEN 1 AND $2", $most), " UNION ALL ",
                free!(sqlite, $lane, "<= 0", $most), " LIMIT ", $most, ")
                 RETURNING job_id, seq, round, lane, alike, expires_at"
            ),
        )
    };
}
/// Claims of one lane: of one review, of two, of three.
pub(in crate::store) type Claims = [Sql; 3];
/// What a lead claims, in order; a reviewer begins with the second.
pub(in crate::store) const CLAIMS: [Claims; 2] = [claim!("lead"), claim!("reviewer")];
