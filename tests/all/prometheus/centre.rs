//! The examples of `deploy/prometheus/README.md` for many sites, with real servers: the dashboards get the same
//! answers from a centre as from the site.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gdoi_lab::fleet::{PageServer, Sharing};
use gdoi_lab::prometheus::{Prometheus, Series};

use super::{dashboards, is_installed, root, rules};

/// Three gateways: two of them see the same groups.
const GATEWAYS: usize = 3;
const PATIENCE: Duration = Duration::from_mins(3);
const POLL: Duration = Duration::from_millis(500);
/// Scrapes of the site before the comparison.
const SCRAPES: f64 = 6.0;
/// Samples younger than this may still be in transit.
const SETTLED: u64 = 15;

#[test]
fn a_centre_shows_what_the_sites_show() {
    if !is_installed("a_centre_shows_what_the_sites_show") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = PageServer::start(Sharing::Pairs).unwrap();
    let written = centre(folder.path(), "written", "{}");
    let facts = centre(folder.path(), "facts", "{}");
    let targets = folder.path().join("targets.json");
    fs::write(&targets, "[]").unwrap();
    let site = site(folder.path(), &targets, [written.address(), facts.address()]);
    let federation = example("**Federation.**")
        .replace("prometheus.north.example.net:9090", &site.address().to_string())
        .replace(", \"prometheus.south.example.net:9090\"", "");
    let federating = centre(
        folder.path(),
        "federating",
        &format!("global: {{scrape_interval: 2s, scrape_timeout: 2s}}\n{federation}"),
    );
    // Targets are added only now: all three servers have every sample.
    fs::write(&targets, target_file(pages.address())).unwrap();
    until("scrapes", || {
        let counts = site
            .now("count_over_time(up{job=\"gdoi-monitor\"}[10m])")
            .unwrap();
        counts.len() == GATEWAYS && counts.iter().all(|one| one.points[0].1 >= SCRAPES)
    });
    let at = now() - SETTLED;
    for (name, server, shown) in [
        ("remote write", &written, ""),
        ("federation", &federating, ""),
        ("remote write of facts", &facts, "gdoi-fleet"),
    ] {
        let mut compared = 0;
        for (place, expression) in dashboards::with("gdoi-monitor", shown) {
            let wanted = answer(&site, &expression, at);
            let mut has = Vec::new();
            let since = Instant::now();
            while since.elapsed() < PATIENCE / 6 {
                has = answer(server, &expression, at);
                if are_equal(&has, &wanted) {
                    break;
                }
                sleep(POLL);
            }
            assert!(
                are_equal(&has, &wanted),
                "{name}: {place}: {expression}\nsite: {wanted:?}\ncentre: {has:?}"
            );
            compared += usize::from(!wanted.is_empty());
        }
        assert!(compared > 10, "{name}: {compared}");
        eprintln!("{name}: {compared} expressions with an answer are the same");
    }
    let count = |server: &Prometheus| server.now("count({job=\"gdoi-monitor\"})").unwrap()[0].points[0].1;
    eprintln!(
        "series: {} at the site, {} written, {} of facts alone",
        count(&site),
        count(&written),
        count(&facts)
    );
}

/// The page of an agent has more samples than the scrape configuration allows: Prometheus reports it, and so do the
/// alerts.
#[test]
fn a_page_beyond_the_limit_is_told_as_such() {
    if !is_installed("a_page_beyond_the_limit_is_told_as_such") {
        return;
    }
    let pages = PageServer::start(Sharing::Pairs).unwrap();
    for (limit, is_samples) in [("sample_limit: 100", true), ("label_limit: 2", false)] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "scrape_configs:\n  - {{job_name: gdoi-monitor, scrape_interval: 1s, {limit}, metrics_path: \
             /gateway/0/metrics, static_configs: [{{targets: [\"{}\"]}}]}}\n",
            pages.address()
        );
        let server = start(
            folder.path(),
            "limited",
            &config,
            &["--enable-feature=extra-scrape-metrics"],
        );
        let alerts = rules::alerts();
        let fires = |name: &str| !server.now(&alerts[name].expr).unwrap().is_empty();
        until(limit, || fires("GdoiScrapeRefused"));
        assert!(!fires("GdoiMonitorDown"), "{limit}");
        if is_samples {
            assert!(fires("GdoiScrapeNearLimit"), "{limit}");
        }
    }
}

/// A Prometheus of the centre, which has no rules of its own.
fn centre(folder: &Path, name: &str, config: &str) -> Prometheus {
    start(folder, name, config, &["--web.enable-remote-write-receiver"])
}

/// The Prometheus of a site, by the examples: with the rules, writing everything to one centre and only results to
/// another.
fn site(folder: &Path, targets: &Path, [written, facts]: [SocketAddr; 2]) -> Prometheus {
    let judged = folder.join("rules");
    rules::copy(&judged);
    let url = "https://metrics.example.net/api/v1/write";
    let to = |address: SocketAddr| format!("http://{address}/api/v1/write");
    let everything = example("**Remote write.**").replace(url, &to(written));
    let only_facts = example("**Results only.**");
    let (_, only_facts) = only_facts.split_once("remote_write:\n").unwrap();
    let only_facts = only_facts.replace(url, &to(facts));
    let global = "global:\n  scrape_interval: 6s\n  scrape_timeout: 6s\n  evaluation_interval: 6s\n";
    let config = format!(
        "{}{only_facts}rule_files: [\"{}/*.yml\"]\nscrape_configs:\n  - job_name: gdoi-monitor\n    file_sd_configs: \
         [{{files: [\"{}\"], refresh_interval: 1s}}]\n",
        everything.replace("global:\n", global),
        judged.display(),
        targets.display()
    );
    start(folder, "site", &config, &[])
}

fn start(folder: &Path, name: &str, config: &str, arguments: &[&str]) -> Prometheus {
    let data: PathBuf = folder.join(name);
    fs::create_dir(&data).unwrap();
    let path = folder.join(format!("{name}.yml"));
    fs::write(&path, config).unwrap();
    Prometheus::launch(&data, &path, arguments).unwrap()
}

fn target_file(pages: SocketAddr) -> String {
    let targets: Vec<String> = (0..GATEWAYS)
        .map(|gateway| {
            format!(
                "{{\"targets\": [\"{pages}\"], \"labels\": {{\"instance\": \"gateway-{gateway}:11848\", \
                 \"__metrics_path__\": \"/gateway/{gateway}/metrics\"}}}}"
            )
        })
        .collect();
    format!("[{}]", targets.join(", "))
}

/// The YAML example that follows a heading of the page.
fn example(heading: &str) -> String {
    let page = fs::read_to_string(root().join("deploy/prometheus/README.md")).unwrap();
    let (_, after) = page.split_once(heading).unwrap();
    let (_, yaml) = after.split_once("```yaml\n").unwrap();
    yaml.split_once("```").unwrap().0.to_owned()
}

/// The value of an expression at one time, without the name of the site.
fn answer(server: &Prometheus, expression: &str, at: u64) -> Vec<Series> {
    let mut series = server.range(expression, (at, at), 1).unwrap();
    for one in &mut series {
        one.labels.remove("site");
    }
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    series
}

fn are_equal(one: &[Series], other: &[Series]) -> bool {
    let close = |a: f64, b: f64| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            let mut points = one.points.iter().zip(&other.points);
            one.labels == other.labels
                && one.points.len() == other.points.len()
                && points.all(|(a, b)| close(a.1, b.1))
        })
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        sleep(POLL);
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
