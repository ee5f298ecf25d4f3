//! The dashboards of the repository, queried as Grafana does when somebody opens them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::prometheus::FleetPrometheus;
use super::report::Heaviest;

/// Steps of a panel: a day at two minutes.
const STEPS: u64 = 720;

/// All dashboards, by file name.
pub(super) struct Dashboards(BTreeMap<String, Value>);

impl Dashboards {
    pub(super) fn read(deploy: &Path) -> Result<Self> {
        let folder = deploy.join("grafana/dashboards");
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let document = serde_json::from_str(&text).with_context(|| format!("understand {name}"))?;
            all.insert(name.to_owned(), document);
        }
        Ok(Self(all))
    }

    /// The slowest query of each dashboard with its default choices: over the available time, with as many steps as a
    /// panel of a day.
    pub(super) fn heaviest(&self, scraper: &FleetPrometheus, history: Duration) -> Result<Vec<Heaviest>> {
        let mut heaviest = Vec::new();
        for (name, document) in &self.0 {
            let chosen = choices(document, scraper)?;
            let mut slowest: Option<Heaviest> = None;
            for panel in items(document, "panels") {
                for target in items(panel, "targets") {
                    let expression = target.get("expr").and_then(Value::as_str).unwrap_or_default();
                    let is_instant = target.get("instant").and_then(Value::as_bool) == Some(true);
                    let took = ask(scraper, &filled(expression, &chosen), is_instant, history)?;
                    if slowest.as_ref().is_none_or(|slowest| slowest.took < took) {
                        slowest = Some(Heaviest {
                            dashboard: name.clone(),
                            panel: text(panel, "title").to_owned(),
                            took,
                        });
                    }
                }
            }
            heaviest.extend(slowest);
        }
        Ok(heaviest)
    }
}

/// The value of each variable when the dashboard opens: everything, or the first available one.
fn choices(document: &Value, scraper: &FleetPrometheus) -> Result<Vec<(String, String)>> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    let templating = document.get("templating").unwrap_or(&Value::Null);
    for variable in items(templating, "list")
        .iter()
        .filter(|one| text(one, "type") == "query")
    {
        let name = text(variable, "name").to_owned();
        let opens_on_all = variable.pointer("/current/value/0") == Some(&Value::from("$__all"));
        let value = if opens_on_all {
            ".+".to_owned()
        } else {
            let query = variable.pointer("/query/query").and_then(Value::as_str);
            let query = query.and_then(|query| query.strip_prefix("label_values(")?.strip_suffix(')'));
            let (selector, label) = query
                .and_then(|query| query.rsplit_once(", "))
                .with_context(|| format!("the query of ${name}"))?;
            let counted = format!("count by ({label}) ({})", filled(selector, &chosen));
            let answer = scraper.now(&counted)?;
            let first = answer.iter().map(|series| series.label(label)).min();
            first.with_context(|| format!("${name} has no value"))?.to_owned()
        };
        chosen.push((name, value));
    }
    Ok(chosen)
}

fn filled(expression: &str, chosen: &[(String, String)]) -> String {
    let expression = expression.replace("$__rate_interval", "4m");
    chosen.iter().fold(expression, |expression, (name, value)| {
        expression.replace(&format!("${name}"), value)
    })
}

/// The duration of the query.
fn ask(scraper: &FleetPrometheus, expression: &str, is_instant: bool, history: Duration) -> Result<Duration> {
    let since = Instant::now();
    if is_instant {
        scraper.now(expression)?;
    } else {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock is before 1970")?;
        let until = now.as_secs();
        let step = (history.as_secs() / STEPS).max(1);
        scraper.range(expression, (until.saturating_sub(step * STEPS), until), step)?;
    }
    Ok(since.elapsed())
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let found = value.get(name).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
