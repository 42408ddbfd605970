//! The benchmark: Emend beside PostgreSQL alone, in one run on one machine and the same rows.

mod data;
mod events;
mod floor;
mod groups;
mod large;
mod pipeline;
mod queue;
mod report;
mod rules;
mod schedulers;
mod server;
mod single;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use data::Data;
use events::Broker;
use pipeline::{Run, Store};
use report::Table;
use server::Server;

/// Measures Emend against the floor: what PostgreSQL alone needs to take the same rows in, write one result row for
/// each, and give all of them out in order.
#[derive(Debug, Clone, Parser)]
pub struct Options {
    /// How many records.
    #[arg(long, default_value_t = 700_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,
    /// How often each is run, in turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Only these parts; everything but `large` unless given.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Also ten times the records, once, on SQLite.
    #[arg(long)]
    pub large: bool,
    /// The records in another order: their keys do not ascend.
    #[arg(long)]
    pub shuffle: bool,
    /// Records of the runs with units of one record.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub single_records: u64,
    /// Slots of all workers together in the runs with units of one record.
    #[arg(long, default_value_t = 500)]
    pub single_slots: u32,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// PostgreSQL alone.
    Floor,
    /// Emend on PostgreSQL.
    Postgres,
    /// Emend on SQLite.
    Sqlite,
    /// Emend on PostgreSQL, telling a RabbitMQ of every event.
    Events,
    /// Units of one record, on both.
    Single,
    /// Units of one record on PostgreSQL, with four schedulers against one.
    Schedulers,
    /// Declared rules beside the pack.
    Rules,
    /// Grouped jobs beside others, on both.
    Groups,
    /// Ten times the records, on SQLite.
    Large,
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        match self.only.is_empty() {
            true => part != Part::Large || self.large,
            false => self.only.contains(&part) || part == Part::Large && self.large,
        }
    }
}

/// Runs what the options ask for, and prints tables.
///
/// # Errors
/// When something cannot be measured, or an export differs from the others.
pub async fn run(options: &Options) -> Result<()> {
    let data = Data::make(options.records, options.shuffle).await?;
    let server = Server::start()?;
    println!("{}", report::machine(options, &server)?);
    let mut table = Table::default();
    if [Part::Floor, Part::Postgres, Part::Sqlite, Part::Events].into_iter().any(|part| options.wants(part)) {
        let mut broker = if options.wants(Part::Events) { Some(Broker::prepare().await?) } else { None };
        for turn in 1..=options.runs {
            eprintln!("turn {turn} of {}", options.runs);
            one_turn(options, &data, &server, &mut table).await?;
            if let Some(broker) = &mut broker {
                add(&mut table, events::run(&data, &server, broker).await?)?;
            }
        }
        println!("{}", table.markdown(options.records));
        println!("{}", events::markdown(&table));
    }
    if options.wants(Part::Single) {
        println!("{}", single::run(options, &server).await?);
    }
    if options.wants(Part::Schedulers) {
        println!("{}", schedulers::run(options, &server).await?);
    }
    if options.wants(Part::Rules) {
        println!("{}", rules::run(options)?);
    }
    if options.wants(Part::Groups) {
        println!("{}", groups::run(options, &server).await?);
    }
    if options.wants(Part::Large) {
        if table.median(Store::Sqlite.name()).is_none() {
            let base = pipeline::run(&data, Store::Sqlite, &server).await?;
            table.add(base);
        }
        drop(server);
        println!("{}", large::run(options, &table).await?);
    }
    Ok(())
}

async fn one_turn(options: &Options, data: &Data, server: &Server, table: &mut Table) -> Result<()> {
    if options.wants(Part::Floor) {
        table.add(floor::run(data, server).await?);
    }
    for (part, store) in [(Part::Postgres, Store::Postgres), (Part::Sqlite, Store::Sqlite)] {
        if options.wants(part) {
            add(table, pipeline::run(data, store, server).await?)?;
        }
    }
    Ok(())
}

/// Adds a run of Emend. Speed counts only when every run gives the same file.
fn add(table: &mut Table, run: Run) -> Result<()> {
    let other = table.runs().find(|other| other.export_digest.is_some());
    if let Some(other) = other {
        ensure!(
            other.export_digest == run.export_digest,
            "{}: its export differs from that of {}",
            run.name,
            other.name
        );
    }
    table.add(run);
    Ok(())
}
