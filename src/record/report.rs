//! A run as one HTML page that needs nothing else: no script, no other file, no network.

use std::fmt::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::RunRecord;
use crate::circuit::{Census, Engine, Netlist, draw, reference};
use crate::data::{Column, ColumnCoding, ImageShape, Quality, Split, Table, Task, number_text};
use crate::network::Model;
use crate::run::curves;
use crate::{Error, Result};

/// Sample pictures shown of each kind, at most.
const SAMPLES: usize = 24;

/// Rows of the summary: key, what it is called, and how its number reads.
const FACTS: [(&str, &str, Form); 13] = [
    ("test_accuracy", "hard test accuracy", Form::Quality),
    ("best_accuracy", "best held-out accuracy", Form::Quality),
    ("selection_gap", "selection gap", Form::Points),
    ("computation_gap", "computation gap", Form::Points),
    ("gates", "gates", Form::Plain),
    ("parameters", "parameters", Form::Plain),
    ("moved_wires", "wires that moved", Form::Share),
    ("data", "data", Form::Plain),
    ("train_samples", "training samples", Form::Plain),
    ("steps", "steps", Form::Plain),
    ("seconds", "time", Form::Seconds),
    ("samples_per_second", "samples a second", Form::Whole),
    ("adapter", "adapter", Form::Plain),
];

/// How a number of the summary is written.
#[derive(Clone, Copy)]
enum Form {
    Quality,
    Points,
    Share,
    Seconds,
    Whole,
    Plain,
}

/// The page of a run that trained `model`, judged on `test`.
///
/// # Errors
/// [`Error::Run`] if something cannot be drawn.
pub fn report(run: &RunRecord, model: &Model, test: &Split, which: &str) -> Result<String> {
    let netlist = model.netlist().map_err(Error::Run)?;
    let votes = Engine::new(&netlist).counts(&test.pixels, true);
    let mut page = String::new();
    let name = escaped(&run.name());
    // Writing to a String cannot fail.
    let _ = write!(page, "{}<title>{name}</title>\n<h1>{name}</h1>\n", include_str!("report_head.html"));
    facts(&mut page, run, model.head.task());
    let _ = writeln!(page, "<p>Judged by {}.</p>", escaped(which));
    if !run.metrics.is_empty() {
        section(
            &mut page,
            "Curves",
            &picture(&curves(&run.metrics, model.head.task(), run.is_held_out())?, "curves", None),
        );
    }
    if model.head.is_classes() {
        judged_classes(&mut page, model, test, &votes)?;
    } else {
        let votes: Vec<f64> = votes.iter().map(|&v| v.into()).collect();
        let quality = model.head.quality(&votes, model.classes.len(), model.group(), test);
        section(&mut page, "On the test samples", &told(model.head.task(), &quality));
    }
    let census = Census::of(&netlist);
    if census.by_function.iter().any(|&n| n > 0) {
        section(&mut page, "Gates by function", &picture(&draw::gate_types(&census)?, "gates by function", None));
    }
    let use_of_inputs = match &model.table {
        Some(table) => column_use(&netlist, table),
        None => picture(&draw::input_use(&netlist)?, "input use", None),
    };
    section(&mut page, "Input use", &use_of_inputs);
    let settings: String =
        crate::settings::table(&run.settings).iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    section(&mut page, "Settings", &format!("<pre>{}</pre>", escaped(&settings)));
    page.push_str("</html>\n");
    Ok(page)
}

/// Confusion, and right and wrong samples.
fn judged_classes(page: &mut String, model: &Model, test: &Split, votes: &[u32]) -> Result<()> {
    let predicted: Vec<usize> =
        votes.chunks_exact(model.classes.len()).map(|votes| reference::argmax(votes) as usize).collect();
    section(page, "Confusion on the test samples", &confusion(model, test, &predicted));
    let is_right = |&s: &usize| predicted[s] == usize::from(test.labels[s]);
    let (right, wrong): (Vec<usize>, Vec<usize>) = (0..test.len()).partition(is_right);
    for (title, samples) in [("Wrong", &wrong), ("Right", &right)] {
        let unit = if model.table.is_some() { "rows" } else { "samples" };
        let title = format!("{title}: {} of {} test {unit}", samples.len(), test.len());
        let shown = match &model.table {
            Some(table) => rows(table, model, test, &predicted, samples),
            None => pictures(model, test, &predicted, samples)?,
        };
        section(page, &title, &shown);
    }
    Ok(())
}

/// How well labels or values are told.
fn told(task: Task, quality: &Quality) -> String {
    let first = format!("{}: {}", task.quality_name(), task.quality_text(quality.score));
    let lines = [vec![first], quality.lines()].concat().join("\n");
    format!("<pre>{}</pre>", escaped(&lines))
}

fn section(page: &mut String, title: &str, content: &str) {
    let _ = write!(page, "<section>\n<h2>{}</h2>\n{content}\n</section>\n", escaped(title));
}

fn facts(page: &mut String, run: &RunRecord, task: Task) {
    let Some(summary) = &run.summary else {
        page.push_str("<p>This run has not ended.</p>\n");
        return;
    };
    page.push_str("<table class=facts>\n");
    let summary = summary.keys();
    for (key, name, form) in FACTS {
        let Some(found) = summary.get(key) else { continue };
        let value = match (found.as_f64(), form) {
            (Some(x), Form::Quality) => task.quality_text(x),
            (Some(x), Form::Points) if task == Task::Values => task.quality_text(x),
            (Some(x), Form::Points) => format!("{:.2} points", x * 100.0),
            (Some(x), Form::Share) => format!("{:.1} %", x * 100.0),
            (Some(x), Form::Seconds) => format!("{x:.1} s"),
            (Some(x), Form::Whole) => format!("{x:.0}"),
            (_, Form::Plain) => found.as_str().map_or_else(|| found.to_string(), String::from),
            _ => continue,
        };
        let name = name.replace("accuracy", task.quality_name());
        let _ = writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    page.push_str("</table>\n");
}

/// A table, row what a sample is, column what it is taken for; shaded by share of the row, with a sentence that says so.
fn confusion(model: &Model, test: &Split, predicted: &[usize]) -> String {
    let classes = &model.classes;
    let mut counts = vec![vec![0usize; classes.len()]; classes.len()];
    for (&label, &class) in test.labels.iter().zip(predicted) {
        counts[usize::from(label)][class] += 1;
    }
    let mut table = "<p>A row is what samples are, a column what they are taken for.</p>\n".to_string();
    table.push_str("<table class=confusion>\n<tr><th></th>");
    classes.iter().for_each(|class| table.push_str(&format!("<th>{}</th>", escaped(class))));
    table.push_str("<th>accuracy</th></tr>\n");
    for (is, row) in counts.iter().enumerate() {
        let total = row.iter().sum::<usize>().max(1) as f64;
        let _ = write!(table, "<tr><th>{}</th>", escaped(&classes[is]));
        for (taken, &count) in row.iter().enumerate() {
            // Mistakes are rare, so they are shaded by the root of their share.
            let share = (count as f64 / total).sqrt();
            let colour = if is == taken { "31,98,168" } else { "232,119,34" };
            let ink = if is == taken && share > 0.6 { ";color:white" } else { "" };
            let _ = write!(table, "<td style=\"background:rgba({colour},{share:.2}){ink}\">{count}</td>");
        }
        let _ = writeln!(table, "<td>{:.2} %</td></tr>", row[is] as f64 / total * 100.0);
    }
    table + "</table>"
}

/// How often gates and votes read each column of a table, most first.
fn column_use(netlist: &Netlist, table: &Table) -> String {
    let of_byte: Vec<usize> =
        table.columns.iter().enumerate().flat_map(|(c, column)| vec![c; column.bytes()]).collect();
    let mut readers = vec![0usize; table.columns.len()];
    let gates = netlist.luts.iter().flat_map(|lut| lut.inputs().iter().copied());
    let votes = netlist.votes.iter().flatten().map(|vote| vote.signal);
    for signal in gates.chain(votes) {
        if let Some(&byte) = netlist.encoder.pixel.get(signal as usize) {
            readers[of_byte[byte as usize]] += 1;
        }
    }
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.sort_by_key(|&column| std::cmp::Reverse(readers[column]));
    let lines = order.iter().map(|&column| {
        format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(&table.columns[column].name), readers[column])
    });
    format!(
        "<p>How many gates and votes read bits of each column.</p>\n<table class=facts>\n{}</table>",
        lines.collect::<String>()
    )
}

/// Rows spread evenly over `samples`, as the network reads them, with what they are and what they are taken for.
fn rows(table: &Table, model: &Model, test: &Split, predicted: &[usize], samples: &[usize]) -> String {
    let mut html = "<table class=facts>\n<tr><th>row</th><th>is</th><th>taken for</th>".to_string();
    table.columns.iter().for_each(|column| html.push_str(&format!("<th>{}</th>", escaped(&column.name))));
    html.push_str("</tr>\n");
    for i in 0..samples.len().min(SAMPLES) {
        let s = samples[i * samples.len() / samples.len().min(SAMPLES)];
        let mut bytes = &test.pixels[s * table.bytes()..(s + 1) * table.bytes()];
        let (is, taken) = (&model.classes[usize::from(test.labels[s])], &model.classes[predicted[s]]);
        let _ = write!(html, "<tr><td>{}</td><td>{}</td><td>{}</td>", s + 1, escaped(is), escaped(taken));
        for column in &table.columns {
            let (own, rest) = bytes.split_at(column.bytes());
            bytes = rest;
            let _ = write!(html, "<td>{}</td>", escaped(&cell(column, own)));
        }
        html.push_str("</tr>\n");
    }
    html + "</table>"
}

/// What the network sees of a cell: a word, or between which thresholds a number lies.
fn cell(column: &Column, bytes: &[u8]) -> String {
    match &column.coding {
        ColumnCoding::Thermometer { thresholds } => match usize::from(bytes[0]) {
            0 => "missing".into(),
            1 => thresholds.first().map_or("a number".into(), |t| format!("≤ {}", number_text(*t))),
            n if n > thresholds.len() => format!("> {}", number_text(thresholds[thresholds.len() - 1])),
            n => format!("{} to {}", number_text(thresholds[n - 2]), number_text(thresholds[n - 1])),
        },
        ColumnCoding::Binary { values } => {
            usize::from(bytes[0]).checked_sub(1).and_then(|i| values.get(i)).cloned().unwrap_or("another".into())
        }
        ColumnCoding::OneHot { values } => {
            bytes.iter().position(|&b| b > 0).map_or("another".into(), |i| values[i].clone())
        }
    }
}

/// Pictures of samples spread evenly over `samples`, with what they are and what they are taken for.
fn pictures(model: &Model, test: &Split, predicted: &[usize], samples: &[usize]) -> Result<String> {
    let mut figures = "<div class=samples>\n".to_string();
    for i in 0..samples.len().min(SAMPLES) {
        let s = samples[i * samples.len() / samples.len().min(SAMPLES)];
        let pixels = &test.pixels[s * model.image.pixels()..(s + 1) * model.image.pixels()];
        let (is, taken) = (&model.classes[usize::from(test.labels[s])], &model.classes[predicted[s]]);
        let caption = if is == taken { is.clone() } else { format!("{is}, taken for {taken}") };
        figures.push_str(&picture(&png(pixels, model.image)?, &format!("sample {s}"), Some(&caption)));
    }
    Ok(figures + "</div>")
}

/// A picture held in the page itself.
fn picture(png: &[u8], alt: &str, caption: Option<&str>) -> String {
    let data = BASE64_STANDARD.encode(png);
    let caption = caption.map_or(String::new(), |text| format!("<figcaption>{}</figcaption>", escaped(text)));
    format!("<figure><img alt=\"{}\" src=\"data:image/png;base64,{data}\">{caption}</figure>\n", escaped(alt))
}

/// A sample, `[channel][row][column]` bytes, as a PNG: colour where it has three channels, else its first in grey.
fn png(pixels: &[u8], shape: ImageShape) -> Result<Vec<u8>> {
    let plane = shape.height * shape.width;
    let (bytes, colour) = if shape.channels == 3 {
        let interleaved = (0..plane).flat_map(|i| [pixels[i], pixels[plane + i], pixels[2 * plane + i]]);
        (interleaved.collect(), image::ExtendedColorType::Rgb8)
    } else {
        (pixels[..plane].to_vec(), image::ExtendedColorType::L8)
    };
    let mut png = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    image::ImageEncoder::write_image(encoder, &bytes, shape.width as u32, shape.height as u32, colour)
        .map_err(|e| Error::Run(format!("cannot encode a PNG: {e}")))?;
    Ok(png)
}

/// Text that HTML shows as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escaped("<b> & \"x\""), "&lt;b&gt; &amp; &quot;x&quot;");
    }

    #[test]
    fn planes_become_colours() {
        let shape = ImageShape { channels: 3, height: 1, width: 2 };
        let read = image::load_from_memory(&png(&[1, 2, 3, 4, 5, 6], shape).unwrap()).unwrap().to_rgb8();
        assert_eq!(read.into_raw(), [1, 3, 5, 2, 4, 6]);
    }
}
