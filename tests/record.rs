//! What people look at: the table of runs, runs beside each other, a run's page, TensorBoard's events.

use std::path::Path;
use std::process::{Command, Output};

fn gatewright(args: &[&str], folder: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Three runs named by the program, the last one stopped after its second evaluation by a torn line.
fn three_runs(folder: &Path) {
    let common = ["train", "--layers", "200,100", "--steps", "60", "--eval-every", "20", "--batch", "40"];
    for more in [&["--tensorboard"][..], &["--lr", "0.05", "--seed", "3"], &["--steps", "61"]] {
        let args: Vec<&str> = if more[0] == "--steps" { common[..3].to_vec() } else { common.to_vec() };
        let rest = if more[0] == "--steps" { &common[5..] } else { &[] };
        gatewright(&[&args, rest, more].concat(), folder);
    }
    let last = folder.join("runs/mnist-3");
    std::fs::remove_file(last.join("summary.json")).unwrap();
    let lines = std::fs::read_to_string(last.join("metrics.jsonl")).unwrap();
    let second = lines.match_indices('\n').nth(1).unwrap().0;
    std::fs::write(last.join("metrics.jsonl"), &lines[..second + 20]).unwrap();
}

#[test]
fn runs_are_listed_compared_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    three_runs(dir.path());

    let listed = stdout(&gatewright(&["runs"], dir.path()));
    let row = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    assert!(row("mnist-1").contains("300") && row("mnist-1").contains("60"), "{listed}");
    assert!(row("mnist-3").contains("not ended") && row("mnist-3").contains("40"), "{listed}");
    assert!(row("lr ").contains("0.03") && row("lr ").contains("0.05"), "{listed}");
    assert!(row("steps").contains("61"), "{listed}");
    assert!(!listed.lines().any(|line| line.starts_with("batch")), "all have the same: {listed}");

    let listed = stdout(&gatewright(&["runs", "--json"], dir.path()));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("runs/mnist-1/summary.json")).unwrap()).unwrap();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 3);
    assert_eq!(listed["runs"][0]["test_accuracy"], summary["test_accuracy"]);
    assert_eq!(listed["runs"][0]["best_accuracy"], summary["best_accuracy"]);
    assert_eq!(listed["runs"][1]["varying"], serde_json::json!({"lr": "0.05", "seed": "3", "steps": "60"}));

    let compared = stdout(&gatewright(&["runs", "compare", "runs/mnist-1", "runs/mnist-2"], dir.path()));
    let told = |name: &str| compared.lines().any(|line| line.starts_with(name));
    assert!(told("seed") && !told("steps"), "{compared}");
    assert!(image::open(dir.path().join("compare.png")).unwrap().width() >= 600);

    let page = stdout(&gatewright(&["report", "runs/mnist-1"], dir.path()));
    let page = std::fs::read_to_string(dir.path().join(page.trim())).unwrap();
    for section in ["Curves", "Confusion", "Wrong", "Right", "Gates by function", "Input use", "Settings"] {
        assert!(page.contains(&format!("<h2>{section}")), "{section}");
    }
    assert!(!page.contains("http") && !page.contains("<script"), "nothing but itself");
    // 24 pictures wrong, 24 right, curves, gates, input use.
    assert_eq!(page.matches("data:image/png;base64,").count(), 51);
    let right = (summary["test_accuracy"].as_f64().unwrap() * 10_000.0).round() as usize;
    assert!(page.contains(&format!("Right: {right} of 10000")));
    let cells = page.split("class=confusion").nth(1).unwrap().split("</table>").next().unwrap();
    let counts = cells.split("\">").skip(1).map(|cell| cell.split('<').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(counts.sum::<usize>(), 10_000);
}

/// The real reader, where it is installed.
#[test]
fn tensorboard_reads_the_events() {
    let has_tensorboard = Command::new("python3").args(["-c", "import tensorboard"]).output();
    if !has_tensorboard.is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 has no tensorboard");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    three_runs(dir.path());
    let program = "
import json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
read = EventAccumulator('runs/mnist-1')
read.Reload()
lines = [json.loads(line) for line in open('runs/mnist-1/metrics.jsonl')]
assert 'accuracy' in read.Tags()['scalars'] and 'gradient_norms/1' in read.Tags()['scalars']
for key in ['accuracy', 'loss', 'temperature']:
    events = read.Scalars(key)
    assert [e.step for e in events] == [20, 40, 60], events
    assert all(abs(e.value - line[key]) < 1e-6 for e, line in zip(events, lines))
print('read')
";
    let output = Command::new("python3").args(["-c", program]).current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
