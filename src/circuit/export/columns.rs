//! Rows of a table in exported code: from numbers and words to the bytes that the circuit's features look at.

use std::fmt::Write;

use super::names;
use crate::data::{Column, ColumnCoding, Table};

/// What people are told of the columns and of the features made of them; a line each.
pub fn about(table: &Table, features: impl Iterator<Item = (u32, u8)>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut byte = 0;
    for column in &table.columns {
        let (name, last) = (&column.name, byte + column.bytes());
        lines.push(match &column.coding {
            ColumnCoding::Thermometer { thresholds } => {
                let list: Vec<String> = thresholds.iter().map(|t| format!("{t:?}")).collect();
                format!(
                    "Byte {byte} is {name}: 0 if missing, else 1 + how many of these it is greater than: {}.",
                    list.join(", ")
                )
            }
            ColumnCoding::Binary { values } => {
                format!("Byte {byte} is {name}: 1 for {}, 2 for {}, 0 if missing or another.", values[0], values[1])
            }
            ColumnCoding::OneHot { values } => {
                format!("Bytes {byte} to {} are {name}: 1 for the value, 0 else: {}.", last - 1, values.join(", "))
            }
        });
        byte = last;
    }
    let bits = table.bits();
    for (f, (byte, threshold)) in features.enumerate() {
        if let Some(bit) = bits.iter().find(|bit| (bit.byte, bit.threshold) == (byte, threshold)) {
            lines.push(format!("Feature {f}: {}.", bit.about));
        }
    }
    lines.into_iter().map(|line| names::comment(&line)).collect()
}

/// A field name a column: valid, and unlike the others.
fn fields(table: &Table) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for column in &table.columns {
        let plain = names::identifier(&column.name);
        let taken = |field: &String| fields.contains(field);
        let numbered = (2..).map(|n| format!("{plain}_{n}"));
        let field = std::iter::once(plain.clone()).chain(numbered).find(|field| !taken(field));
        fields.push(field.unwrap_or_default());
    }
    fields
}

fn is_number(column: &Column) -> bool {
    matches!(column.coding, ColumnCoding::Thermometer { .. })
}

/// Declarations for the C header of the circuit `name`.
pub fn c_header(table: &Table, name: &str) -> String {
    let mut h = format!(
        "/* A row of the table: NAN where a number is missing, NULL where a word is. */\nstruct {name}_row {{\n"
    );
    for (column, field) in table.columns.iter().zip(fields(table)) {
        let kind = if is_number(column) { "double " } else { "const char *" };
        let _ = writeln!(h, "    {kind}{field}; /* {} */", names::comment(&column.name));
    }
    let _ = write!(
        h,
        "}};\n\n/* The bytes of a row, which the other functions call pixels. */\n\
         void {name}_row_bytes(const struct {name}_row *row, uint8_t pixels[{}_PIXELS]);\n\n",
        name.to_uppercase()
    );
    h
}

/// Definitions for the C source of the circuit `name`.
pub fn c_source(table: &Table, name: &str) -> String {
    let mut c = String::new();
    if table.columns.iter().any(is_number) {
        c.push_str(
            "static uint8_t place(double value, const double *thresholds, size_t count)\n{\n    size_t below = 0;\n    \
             if (value != value) {\n        return 0;\n    }\n    while (below < count && value > thresholds[below]) {\n        \
             below++;\n    }\n    return (uint8_t)(1 + below);\n}\n\n",
        );
    }
    if !table.columns.iter().all(is_number) {
        c.push_str(
            "static int same(const char *a, const char *b)\n{\n    if (a == NULL) {\n        return 0;\n    }\n    \
             while (*a != 0 && *a == *b) {\n        a++;\n        b++;\n    }\n    return *a == *b;\n}\n\n",
        );
    }
    let mut body = String::new();
    let mut byte = 0;
    for (column, field) in table.columns.iter().zip(fields(table)) {
        match &column.coding {
            ColumnCoding::Thermometer { thresholds } if thresholds.is_empty() => {
                let _ = writeln!(body, "    pixels[{byte}] = place(row->{field}, NULL, 0);");
            }
            ColumnCoding::Thermometer { thresholds } => {
                let list: Vec<String> = thresholds.iter().map(|t| format!("{t:?}")).collect();
                let count = list.len();
                let _ = writeln!(c, "static const double thresholds_{byte}[{count}] = {{{}}};", list.join(", "));
                let _ = writeln!(body, "    pixels[{byte}] = place(row->{field}, thresholds_{byte}, {count});");
            }
            ColumnCoding::Binary { values: [one, two] } => {
                let (one, two) = (literal(one), literal(two));
                let _ = writeln!(
                    body,
                    "    pixels[{byte}] = same(row->{field}, {one}) ? 1 : same(row->{field}, {two}) ? 2 : 0;"
                );
            }
            ColumnCoding::OneHot { values } => {
                for (i, value) in values.iter().enumerate() {
                    let at = byte + i;
                    let _ = writeln!(body, "    pixels[{at}] = (uint8_t)same(row->{field}, {});", literal(value));
                }
            }
        }
        byte += column.bytes();
    }
    let upper = name.to_uppercase();
    let _ = write!(
        c,
        "\nvoid {name}_row_bytes(const struct {name}_row *row, uint8_t pixels[{upper}_PIXELS])\n{{\n{body}}}\n\n"
    );
    c
}

/// A string literal of C: anything but letters, digits and blanks as octal.
fn literal(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b == b' ';
    let escaped = text.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("\\{b:03o}") });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Items for an exported Rust file.
pub fn rust(table: &Table) -> String {
    let lifetime = if table.columns.iter().all(is_number) { ("", "") } else { ("<'a>", "<'_>") };
    let mut r = format!(
        "/// A row of the table: NaN where a number is missing, `None` where a word is.\npub struct Row{} {{\n",
        lifetime.0
    );
    let fields = fields(table);
    for (column, field) in table.columns.iter().zip(&fields) {
        let kind = if is_number(column) { "f64" } else { "Option<&'a str>" };
        let _ = writeln!(r, "    /// {}\n    pub {field}: {kind},", names::comment(&column.name));
    }
    let _ = write!(
        r,
        "}}\n\nimpl Row{} {{\n    /// The bytes of the row, which the other functions call an image.\n    \
         pub fn bytes(&self) -> [u8; PIXELS] {{\n        let mut bytes = [0; PIXELS];\n",
        lifetime.1
    );
    let mut byte = 0;
    for (column, field) in table.columns.iter().zip(&fields) {
        match &column.coding {
            ColumnCoding::Thermometer { thresholds } => {
                let list: Vec<String> = thresholds.iter().map(|t| format!("{t:?}")).collect();
                let _ = writeln!(r, "        bytes[{byte}] = place(self.{field}, &[{}]);", list.join(", "));
            }
            ColumnCoding::Binary { values: [one, two] } => {
                let _ = writeln!(
                    r,
                    "        bytes[{byte}] = match self.{field} {{ Some({one:?}) => 1, Some({two:?}) => 2, _ => 0 }};"
                );
            }
            ColumnCoding::OneHot { values } => {
                for (i, value) in values.iter().enumerate() {
                    let at = byte + i;
                    let _ = writeln!(r, "        bytes[{at}] = u8::from(self.{field} == Some({value:?}));");
                }
            }
        }
        byte += column.bytes();
    }
    r.push_str("        bytes\n    }\n}\n\n");
    if table.columns.iter().any(is_number) {
        r.push_str(
            "fn place(value: f64, thresholds: &[f64]) -> u8 {\n    if value.is_nan() {\n        return 0;\n    }\n    \
             1 + thresholds.iter().filter(|&&t| value > t).count() as u8\n}\n\n",
        );
    }
    r
}
