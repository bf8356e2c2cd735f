//! A page is a WGSL file under `shaders/` with what it is built for; from it come its source and its bindings.
//!
//! A page is plain WGSL with lines that begin with `#`, always at the first column:
//!
//! - `#import shared/lut.wgsl` puts a file in, once; `#import head`, without a folder, the file that the page's maker named for this
//!   part.
//! - `#needs A B` names u32 constants that the maker must give; they are put before the source. (Constants, not pipeline
//!   overrides: arrays within functions are sized by them.)
//! - `#if A`, `#else`, `#endif`: lines for pages whose maker has set the flag A, or has not. They nest.
//!
//! Bindings are `var<uniform>`, `var<storage, read>` and `var<storage, read_write>` lines at the first column, without numbers:
//! the name is what hosts bind by, and numbers are given in the order of appearance. A number, flag or part that a page asks for and
//! is not given, or is given and not asked for, is an error.

use std::fmt::Write;

type Told<T> = std::result::Result<T, String>;

/// Every file under `shaders/`, sorted: its path without `.wgsl`, and its text.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// A WGSL file and what it is built for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    file: &'static str,
    numbers: Vec<(&'static str, u32)>,
    flags: Vec<(&'static str, bool)>,
    parts: Vec<(&'static str, &'static str)>,
}

/// How a page uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As a uniform.
    Uniform,
    /// As storage that is only read.
    Read,
    /// As storage that is written, and perhaps read.
    Write,
}

/// A buffer that a page works on; its binding number is its place among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What it is bound by.
    pub name: String,
    /// How it is used.
    pub access: Access,
}

/// A page put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whole WGSL.
    pub text: String,
    /// In the order of their numbers, from 0.
    pub bindings: Vec<Binding>,
}

impl Page {
    /// The file `shaders/{file}.wgsl` with nothing given yet.
    pub fn of(file: &'static str) -> Self {
        Page { file, numbers: Vec::new(), flags: Vec::new(), parts: Vec::new() }
    }

    /// Give a constant.
    pub fn number(mut self, name: &'static str, value: u32) -> Self {
        self.numbers.push((name, value));
        self
    }

    /// Give a flag: whether `#if name` holds.
    pub fn flag(mut self, name: &'static str, holds: bool) -> Self {
        self.flags.push((name, holds));
        self
    }

    /// Say that `#import name` means `shaders/{file}.wgsl`.
    pub fn part(mut self, name: &'static str, file: &'static str) -> Self {
        self.parts.push((name, file));
        self
    }

    /// What it computes: its file's name without folders, as in `forward_hard`.
    pub fn name(&self) -> &'static str {
        self.file.rsplit('/').next().unwrap_or(self.file)
    }

    /// The constant of this name, if it was given.
    pub fn given(&self, name: &str) -> Option<u32> {
        self.numbers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// Whether a flag of this name was given and holds.
    pub fn holds(&self, name: &str) -> bool {
        self.flags.contains(&(name, true))
    }

    /// Put it together from the files of this program.
    ///
    /// # Errors
    /// A sentence, if a file is missing or is not as this module says, or if what is given is not what is asked for.
    pub fn assemble(&self) -> Told<Source> {
        self.assemble_from(FILES)
    }

    fn assemble_from(&self, files: &[(&str, &str)]) -> Told<Source> {
        let mut assembly = Assembly::new(self, files);
        assembly.file(self.file)?;
        for (kind, given, asked) in [
            ("number", self.numbers.iter().map(|(n, _)| *n).collect::<Vec<_>>(), &assembly.needed),
            ("flag", self.flags.iter().map(|(n, _)| *n).collect(), &assembly.tested),
            ("part", self.parts.iter().map(|(n, _)| *n).collect(), &assembly.imported),
        ] {
            for (i, name) in given.iter().enumerate() {
                if !asked.iter().any(|a| a == name) {
                    return Err(format!("{} is given the {kind} {name}, which it does not ask for", self.file));
                }
                if given[..i].contains(name) {
                    return Err(format!("{} is given the {kind} {name} twice", self.file));
                }
            }
        }
        // naga does not know `enable subgroups;` yet, and goes by the device's features alone.
        let mut text = String::new();
        for name in &assembly.needed {
            let value = self.given(name).ok_or_else(|| format!("{} needs the number {name}", self.file))?;
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        text.push_str(&assembly.text);
        Ok(Source { text, bindings: assembly.bindings })
    }
}

/// A page being put together.
struct Assembly<'a> {
    page: &'a Page,
    files: &'a [(&'a str, &'a str)],
    seen: Vec<&'a str>,
    /// Numbers, flags and parts that the files so far ask for.
    needed: Vec<String>,
    tested: Vec<String>,
    imported: Vec<String>,
    text: String,
    bindings: Vec<Binding>,
}

impl<'a> Assembly<'a> {
    fn new(page: &'a Page, files: &'a [(&'a str, &'a str)]) -> Self {
        Assembly {
            page,
            files,
            seen: Vec::new(),
            needed: Vec::new(),
            tested: Vec::new(),
            imported: Vec::new(),
            text: String::new(),
            bindings: Vec::new(),
        }
    }

    /// Put a file in, if it is not in yet.
    fn file(&mut self, name: &str) -> Told<()> {
        let Some(&(name, text)) = self.files.iter().find(|(file, _)| *file == name) else {
            return Err(format!("{} imports {name}, and there is no such file under shaders/", self.page.file));
        };
        if self.seen.contains(&name) {
            return Ok(());
        }
        self.seen.push(name);
        // Of every open #if: whether its present branch holds, and whether it has an #else already.
        let mut open: Vec<(bool, bool)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let told = |problem: String| format!("{name}.wgsl:{}: {problem}", at + 1);
            let holds = open.iter().all(|(holds, _)| *holds);
            if !line.trim_start().starts_with('#') {
                if holds {
                    self.line(line).map_err(told)?;
                }
                continue;
            }
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["#if", flag] if line.starts_with('#') => open.push((self.flag(flag).map_err(told)?, false)),
                ["#else"] if line.starts_with('#') => match open.last_mut() {
                    Some((branch, has_else)) if !*has_else => (*branch, *has_else) = (!*branch, true),
                    _ => return Err(told("#else without an #if".into())),
                },
                ["#endif"] if line.starts_with('#') => {
                    open.pop().ok_or_else(|| told("#endif without an #if".into()))?;
                }
                ["#needs", numbers @ ..] if line.starts_with('#') && !numbers.is_empty() => {
                    for number in numbers.iter().filter(|_| holds) {
                        if !self.needed.iter().any(|n| n == number) {
                            self.needed.push(number.to_string());
                        }
                    }
                }
                ["#import", import] if line.starts_with('#') => {
                    if holds {
                        self.import(import).map_err(told)?;
                    }
                }
                _ => return Err(told(format!("`{}` is no line that pages may have", line.trim()))),
            }
        }
        if open.is_empty() { Ok(()) } else { Err(format!("{name}.wgsl: an #if is not closed")) }
    }

    fn flag(&mut self, name: &str) -> Told<bool> {
        let Some((name, holds)) = self.page.flags.iter().find(|(n, _)| *n == name) else {
            return Err(format!("{} is not told whether {name} holds", self.page.file));
        };
        self.tested.push(name.to_string());
        Ok(*holds)
    }

    fn import(&mut self, import: &str) -> Told<()> {
        if let Some(file) = import.strip_suffix(".wgsl") {
            return self.file(file);
        }
        let Some((name, file)) = self.page.parts.iter().find(|(n, _)| *n == import) else {
            return Err(format!("{} is not told which file {import} is", self.page.file));
        };
        self.imported.push(name.to_string());
        self.file(file)
    }

    /// A line of WGSL; a binding is given its number.
    fn line(&mut self, line: &str) -> Told<()> {
        let declared = [
            ("var<uniform> ", Access::Uniform),
            ("var<storage, read> ", Access::Read),
            ("var<storage, read_write> ", Access::Write),
        ];
        if let Some((rest, access)) = declared.iter().find_map(|(start, a)| line.strip_prefix(start).map(|r| (r, *a))) {
            let name = rest.split(':').next().unwrap_or(rest).trim().to_string();
            if self.bindings.iter().any(|b| b.name == name) {
                return Err(format!("{name} is bound twice"));
            }
            let _ = write!(self.text, "@group(0) @binding({}) ", self.bindings.len());
            self.bindings.push(Binding { name, access });
        } else if line.contains("@binding") || line.contains("var<storage") || line.contains("var<uniform") {
            return Err(
                "bindings are declared at the first column, as one of `var<uniform>`, `var<storage, read>` and \
                        `var<storage, read_write>`, without a number"
                    .into(),
            );
        }
        self.text.push_str(line);
        self.text.push('\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "#needs SIZE\n#import shared/other.wgsl\n#import kind\nvar<uniform> a: u32;\n#if B\n\
                        var<storage, read> b: array<u32>;\n#else\nconst NONE = SIZE;\n#endif\n";
    const OTHER: &str = "var<storage, read_write> c: array<u32>;\n";

    fn page() -> Page {
        Page::of("page").number("SIZE", 3).flag("B", true).part("kind", "kinds/this")
    }

    fn assembled(page: &Page, text: &str) -> Told<Source> {
        page.assemble_from(&[("page", text), ("shared/other", OTHER), ("kinds/this", "#import shared/other.wgsl\n")])
    }

    #[test]
    fn bindings_are_numbered_as_they_appear() {
        let source = assembled(&page(), PAGE).unwrap();
        assert_eq!(
            source.text,
            "const SIZE: u32 = 3u;\n@group(0) @binding(0) var<storage, read_write> c: array<u32>;\n\
             @group(0) @binding(1) var<uniform> a: u32;\n@group(0) @binding(2) var<storage, read> b: array<u32>;\n"
        );
        let bindings: Vec<_> = source.bindings.iter().map(|b| (b.name.as_str(), b.access)).collect();
        assert_eq!(bindings, [("c", Access::Write), ("a", Access::Uniform), ("b", Access::Read)]);
    }

    #[test]
    fn what_is_given_is_what_is_asked_for() {
        let told = |page: Page| assembled(&page, PAGE).unwrap_err();
        assert!(told(Page { numbers: vec![], ..page() }).contains("page needs the number SIZE"));
        assert!(told(Page { flags: vec![], ..page() }).contains("page.wgsl:5: page is not told whether B holds"));
        assert!(told(Page { parts: vec![], ..page() }).contains("which file kind is"));
        assert!(told(page().number("SIZES", 1)).contains("is given the number SIZES, which it does not ask for"));
        assert!(told(page().flag("C", false)).contains("is given the flag C"));
        assert!(told(page().part("sort", "kinds/this")).contains("is given the part sort"));
        assert!(told(page().number("SIZE", 4)).contains("the number SIZE twice"));
        assert!(told(Page { parts: vec![("kind", "kinds/that")], ..page() }).contains("imports kinds/that"));
        assert!(Page::of("no/such").assemble().unwrap_err().contains("no such file"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (wrong, problem) in [
            ("#if B\n", "an #if is not closed"),
            ("  #if B\n#endif\n", "`#if B` is no line"),
            ("#if B\n  #endif\n", "`#endif` is no line"),
            ("#endif\n", "#endif without"),
            ("#else\n", "#else without"),
            ("#if B\n#else\n#else\n#endif\n", "#else without"),
            ("#ifdef B\n#endif\n", "`#ifdef B` is no line"),
            ("#needs\n", "`#needs` is no line"),
            ("#import shared/none.wgsl\n", "there is no such file"),
            ("@group(0) @binding(0) var<uniform> z: u32;\n", "without a number"),
            ("    var<storage, read> z: array<u32>;\n", "at the first column"),
            ("var<uniform> a: f32;\n", "a is bound twice"),
        ] {
            let told = assembled(&page(), &format!("{PAGE}{wrong}")).unwrap_err();
            assert!(told.contains(problem), "{wrong}: {told}");
        }
    }
}
