//! `emend diff`.

use anyhow::Result;

use super::{client, print, print_json};
use crate::args::{Common, DiffArgs};
use crate::exit::Exit;
use crate::export::{Diff, Sides, diff};
use crate::term::{Table, grouped, right};

pub(super) async fn run(args: DiffArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let diff = diff(&client, &args.a, &args.b, args.each as usize).await?;
    if args.remote.json {
        print_json(&diff)?;
    } else {
        print(&text(&diff, &args.a, &args.b))?;
    }
    Ok(Exit::Done)
}

fn text(diff: &Diff, a: &str, b: &str) -> String {
    let differ = diff.records - diff.same;
    let mut text = format!("{} of {} records differ\n", grouped(differ), grouped(diff.records));
    for (count, job) in diff.only_in.into_iter().zip([a, b]) {
        if count > 0 {
            text += &format!("{} records are in job {job} alone\n", grouped(count));
        }
    }
    for (what, counts) in [("verdicts", &diff.verdicts), ("values, by field", &diff.fields)] {
        if !counts.is_empty() {
            let mut table = Table::new([what, "records", "such as"]);
            for (name, difference) in counts {
                let records = right(grouped(difference.records));
                table.row([name.as_str().into(), records, difference.keys.join(", ").into()]);
            }
            text += &format!("\n{table}\n");
        }
    }
    text += &sides("changes, by rule", &diff.rules, a, b);
    text += &sides("findings", &diff.findings, a, b);
    text
}

fn sides(what: &str, counts: &std::collections::BTreeMap<String, Sides>, a: &str, b: &str) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let (only_a, only_b) = (format!("only {a}"), format!("only {b}"));
    let mut table = Table::new([what, &only_a, &only_b, "such as"]);
    for (name, sides) in counts {
        let counts = [right(grouped(sides.a)), right(grouped(sides.b))];
        let [left, right] = counts;
        table.row([name.as_str().into(), left, right, sides.keys.join(", ").into()]);
    }
    format!("\n{table}\n")
}
