//! How many records one look can settle together: `cargo run -p emend-vaccination --example alike -- [records] [seed]`.
//!
//! Prints, for each finding, how the reviews of synthetic records fall into clusters, within one site and, for
//! comparison, over the whole file. Five samples of a cluster are opened before the rest is decided at once.

use std::collections::BTreeMap;

use emend_vaccination::Vaccination;
use emend_vaccination::generator::Generator;
use emend_worker::{JobContext, Manifest, Outcome, Record, Validator, alike};

const SAMPLES: usize = 5;

/// The pack, if it did not know where a record was made.
struct Anywhere(Vaccination, Manifest);

impl Anywhere {
    fn new() -> Self {
        let pack = Vaccination::new();
        let manifest = Manifest { source_field: String::new(), ..pack.manifest().clone() };
        Self(pack, manifest)
    }
}

impl Validator for Anywhere {
    fn manifest(&self) -> &Manifest {
        &self.1
    }

    fn validate(&self, job: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        self.0.validate(job, records)
    }
}

/// Sizes of clusters by their number.
type Clusters = BTreeMap<u64, usize>;

#[derive(Default)]
struct Told {
    reviews: usize,
    single: usize,
    by_site: Clusters,
    by_file: Clusters,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().ok());
    let records = arguments.next().flatten().unwrap_or(50_000);
    let generator = Generator::new(arguments.next().flatten().unwrap_or(1));
    let pack = Vaccination::new();
    let anywhere = Anywhere::new();
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    let mut findings: BTreeMap<String, Told> = BTreeMap::new();
    for i in 0..records {
        let generated = generator.record(i);
        let record = Record::from_fields(&generated.key, generated.fields());
        for outcome in pack.validate(&job, std::slice::from_ref(&record)) {
            let Some(first) = outcome.findings.first() else { continue };
            let single = outcome.findings.len() == 1;
            let kind = if single { first.code.to_string() } else { "(several findings)".into() };
            let told = findings.entry(kind).or_default();
            told.reviews += 1;
            told.single += usize::from(single);
            count(&mut told.by_site, alike(&pack, &job, &record, &outcome));
            count(&mut told.by_file, alike(&anywhere, &job, &record, &outcome));
        }
    }
    println!(
        "{:<32} {:>8} {:>9} {:>34} {:>34}",
        "finding", "reviews", "alike", "within a site", "in the file"
    );
    let mut all = Told::default();
    for (kind, told) in findings {
        print(&kind, &told);
        all.reviews += told.reviews;
        all.by_site.extend(told.by_site);
        all.by_file.extend(told.by_file);
    }
    print("all", &all);
}

fn count(clusters: &mut Clusters, alike: u64) {
    if alike != 0 {
        *clusters.entry(alike).or_default() += 1;
    }
}

fn print(kind: &str, told: &Told) {
    let alike: usize = told.by_file.values().sum();
    let (site, file) = (shown(&told.by_site), shown(&told.by_file));
    println!("{kind:<32} {:>8} {alike:>9} {site:>34} {file:>34}", told.reviews);
}

/// Clusters, the median and the largest size, and to how many looks their reviews come down.
fn shown(clusters: &Clusters) -> String {
    let mut sizes: Vec<usize> = clusters.values().copied().collect();
    sizes.sort_unstable();
    let (Some(median), Some(largest)) = (sizes.get(sizes.len() / 2), sizes.last()) else {
        return String::new();
    };
    let looks: usize = sizes.iter().map(|size| size.min(&SAMPLES)).sum();
    format!("{} of {median}..{largest}, {looks} looks", sizes.len())
}
