//! Pictures of a convolution's units: where each looks, what its gates are, and where it is 1 over an image.

use std::collections::{BTreeMap, BTreeSet};

use plotters::prelude::{Circle, PathElement, Rectangle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::draw::{MARGIN, SHORT_NAMES, draw_image, fill, frame, write};
use super::{Literal, Lut, Netlist, Stage, Unit, function_number, reference};
use crate::Result;
use crate::data::ImageShape;
use crate::plot::{self, BLUE, COLOURS, Canvas, Drawn, INK, ORANGE, PALE, Rgb};

/// Units of a sheet.
pub const UNITS: usize = 48;

/// Pixels of a sheet's width, at most and, for its heading, at least.
const WIDTH: [i32; 2] = [1600, 1000];
/// Pixels of a window's longer side, about.
const WINDOW: i32 = 110;
/// Pixels from a leaf to the next, and from a level of gates to the next.
const STEP: [i32; 2] = [52, 44];
const GATE: [i32; 2] = [46, 20];
const LEAF: i32 = 20;
/// Pixels of an image's longer side, about.
const IMAGE: i32 = 128;
const GAP: i32 = 18;
const HEAD: i32 = 92;
/// Of the words above a unit.
const NAME: i32 = 22;
/// Of a line of the key of channels.
const LINE: i32 = 17;
const WHITE: Rgb = Rgb(255, 255, 255);

/// The window, leaves and gates of units `first` to `first` + [`UNITS`] of convolution `number`; with the bytes of an image also where
/// they are 1 over it. `None` where it has no such units.
///
/// # Errors
/// [`crate::Error::Run`] if it cannot be drawn.
pub fn units(netlist: &Netlist, number: usize, first: usize, image: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
    let Some(stage) = netlist.stages.get(number).filter(|stage| first < stage.units.len()) else { return Ok(None) };
    let sheet = Sheet::of(netlist, number, first, image);
    let png = plot::png(sheet.width() as u32, sheet.height() as u32, |canvas| {
        let last = first + sheet.units.len() - 1;
        let grid = stage.grid;
        let mut title = format!("Layer {number}: trees {first} to {last} of {}", stage.units.len());
        title += &format!(", window {} x {}, stride {}", grid.kernel[0], grid.kernel[1], grid.stride);
        title += &format!(", pad {}, pool {}", grid.pad, grid.pool);
        write(canvas, (MARGIN, 18), plot::text(24), (HPos::Left, VPos::Top), &title)?;
        let mut key =
            "The window with its leaves, coloured by what they read; the gates (A is what comes in on the left); pale is \
                       what changes nothing"
                .to_string();
        if image.is_some() {
            key += "; orange, where it is 1";
        }
        write(canvas, (MARGIN, 54), plot::text(16), (HPos::Left, VPos::Top), &key)?;
        (0..sheet.units.len()).try_for_each(|i| sheet.draw(canvas, i))
    })?;
    Ok(Some(png))
}

/// A sheet and what is the same for all of its units.
struct Sheet<'a> {
    netlist: &'a Netlist,
    number: usize,
    stage: &'a Stage,
    first: usize,
    units: &'a [Unit],
    /// Pixels of a bit of the window.
    cell: i32,
    /// Of the trees.
    tree: [i32; 2],
    /// Pixels of a unit.
    panel: [i32; 2],
    /// The image, pixels of one of its own, and `[unit][row][column]` of what the convolution makes of it.
    image: Option<(&'a [u8], i32, Vec<bool>)>,
}

impl<'a> Sheet<'a> {
    fn of(netlist: &'a Netlist, number: usize, first: usize, image: Option<&'a [u8]>) -> Self {
        let stage = &netlist.stages[number];
        let units = &stage.units[first..stage.units.len().min(first + UNITS)];
        let most = |of: fn(&Unit) -> usize| units.iter().map(of).max().unwrap_or(0) as i32;
        let leaves = most(|unit| unit.leaves.len()).max(2);
        let levels = most(|unit| levels(unit).into_iter().max().unwrap_or(0));
        let channels = most(|unit| unit.channels().len());
        let ImageShape { height, width, .. } = netlist.image;
        let scale = (IMAGE / height.max(width) as i32).max(1);
        let image = image.map(|bytes| (bytes, scale, reference::maps(netlist, bytes).swap_remove(number + 1)));
        let [rows, columns] = stage.grid.kernel.map(|n| n as i32);
        let cell = (WINDOW / rows.max(columns)).clamp(4, 30);
        let tree = [leaves * STEP[0], levels * STEP[1] + LEAF + 26];
        let window = [columns * cell, rows * cell + 6 + channels * LINE];
        let picture = if image.is_some() { [scale * width as i32 + GAP, scale * height as i32] } else { [0, 0] };
        let panel = [window[0].max(WINDOW) + GAP + tree[0] + picture[0], NAME + window[1].max(tree[1]).max(picture[1])];
        Sheet { netlist, number, stage, first, units, cell, tree, panel, image }
    }

    fn columns(&self) -> i32 {
        ((WIDTH[0] - 2 * MARGIN + 2 * GAP) / (self.panel[0] + 2 * GAP)).max(1)
    }

    fn width(&self) -> i32 {
        (self.columns() * (self.panel[0] + 2 * GAP) - 2 * GAP + 2 * MARGIN).max(WIDTH[1])
    }

    fn height(&self) -> i32 {
        let rows = (self.units.len() as i32 + self.columns() - 1) / self.columns();
        HEAD + rows * (self.panel[1] + GAP) + MARGIN
    }

    /// Top left of unit `i`.
    fn corner(&self, i: usize) -> (i32, i32) {
        let (column, row) = (i as i32 % self.columns(), i as i32 / self.columns());
        (MARGIN + column * (self.panel[0] + 2 * GAP), HEAD + row * (self.panel[1] + GAP))
    }

    /// Top left of the window of unit `i`.
    fn window_at(&self, i: usize) -> (i32, i32) {
        let (x, y) = self.corner(i);
        (x, y + NAME)
    }

    /// Top left of the image of unit `i`.
    fn image_at(&self, i: usize) -> (i32, i32) {
        let (x, y) = self.window_at(i);
        (x + self.panel[0] - self.image.as_ref().map_or(0, |(_, scale, _)| scale * self.netlist.image.width as i32), y)
    }

    fn draw(&self, canvas: &Canvas, i: usize) -> Drawn {
        let unit = &self.units[i];
        let matters = matters(unit);
        let colours = colours(unit, &matters);
        write(canvas, self.corner(i), plot::text(16), (HPos::Left, VPos::Top), &self.name(i))?;
        self.draw_window(canvas, self.window_at(i), unit, &colours, &matters)?;
        let (x, y) = self.window_at(i);
        let [width, _] = self.stage.grid.kernel.map(|n| n as i32 * self.cell);
        self.draw_tree(canvas, (x + width.max(WINDOW) + GAP, y), unit, &colours, &matters)?;
        self.draw_places(canvas, i)
    }

    /// Its number, and how many places of the image it is 1 at.
    fn name(&self, i: usize) -> String {
        let number = self.first + i;
        let area = self.stage.grid.area();
        match &self.image {
            None => format!("tree {number}"),
            Some((.., map)) => {
                let on = map[number * area..][..area].iter().filter(|&&on| on).count();
                format!("tree {number}: 1 at {on} of {area} places")
            }
        }
    }

    fn draw_window(
        &self,
        canvas: &Canvas,
        (left, top): (i32, i32),
        unit: &Unit,
        colours: &BTreeMap<u32, Rgb>,
        matters: &[bool],
    ) -> Drawn {
        let [rows, columns] = self.stage.grid.kernel.map(|n| n as i32);
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let at = (left + x * self.cell, top + y * self.cell);
            fill(canvas, at, (self.cell - 1, self.cell - 1), PALE)?;
            // Leaves at one bit of the window, in several channels, share its cell.
            let here: Vec<usize> = (0..unit.leaves.len())
                .filter(|&leaf| unit.leaves[leaf].at() == [y as usize, x as usize] && matters[leaf])
                .collect();
            let share = |n: usize| (self.cell - 1) * n as i32 / here.len().max(1) as i32;
            for (n, &leaf) in here.iter().enumerate() {
                let from = (at.0 + share(n), at.1);
                let size = (share(n + 1) - share(n), self.cell - 1);
                fill(canvas, from, size, colours[&unit.leaves[leaf].channel])?;
                let middle = (from.0 + size.0 / 2, from.1 + size.1 / 2);
                letter(canvas, middle, leaf, WHITE)?;
            }
        }
        let key = top + rows * self.cell + 6;
        for (line, (&channel, &colour)) in (0..).zip(colours) {
            let y = key + line * LINE;
            fill(canvas, (left, y + 3), (10, 10), colour)?;
            let name = self.channel_name(channel as usize);
            write(canvas, (left + 16, y), plot::text(14), (HPos::Left, VPos::Top), &name)?;
        }
        Ok(())
    }

    /// What the first convolution's channels are by the encoder, and those of others by the trees that give them.
    fn channel_name(&self, channel: usize) -> String {
        if self.number > 0 {
            return format!("tree {channel}");
        }
        let (encoder, area) = (&self.netlist.encoder, self.stage.grid.height * self.stage.grid.width);
        let features = channel * area..(channel + 1) * area;
        let ImageShape { channels, height, width } = self.netlist.image;
        let of_image = encoder.pixel[features.start] as usize / (height * width);
        let name = match channels {
            1 => "pixel".to_string(),
            3 => ["red", "green", "blue"][of_image.min(2)].to_string(),
            _ => format!("channel {of_image}"),
        };
        let thresholds = &encoder.threshold[features];
        let threshold = thresholds[0];
        match thresholds.iter().all(|&t| t == threshold) {
            true => format!("{name} > {threshold}"),
            false => format!("{name}, bit {channel}"),
        }
    }

    fn draw_tree(
        &self,
        canvas: &Canvas,
        (left, top): (i32, i32),
        unit: &Unit,
        colours: &BTreeMap<u32, Rgb>,
        matters: &[bool],
    ) -> Drawn {
        let bottom = top + self.tree[1] - LEAF;
        let levels = levels(unit);
        let across = across(unit, &levels, self.tree[0]);
        let at = |node: usize| (left + across[node], bottom - levels[node] as i32 * STEP[1]);
        let leaves = unit.leaves.len();
        let line = |from: (i32, i32), to: (i32, i32), is_live: bool| -> Drawn {
            let style = if is_live { INK } else { PALE }.stroke_width(if is_live { 2 } else { 1 });
            Ok(canvas.draw(&PathElement::new([from, to], style))?)
        };
        for (j, gate) in unit.gates.iter().enumerate() {
            let (x, y) = at(leaves + j);
            for (pin, &read) in gate.inputs().iter().enumerate() {
                let side = if gate.arity < 2 { 0 } else { GATE[0] / 4 * (2 * pin as i32 - 1) };
                let (to_x, to_y) = at(read as usize);
                let half = if (read as usize) < leaves { LEAF } else { GATE[1] } / 2;
                line((x + side, y + GATE[1] / 2), (to_x, to_y - half), matters[leaves + j] && depends(gate, pin))?;
            }
        }
        match unit.root {
            Literal::Constant(value) => {
                let words = format!("always {}", u8::from(value));
                write(canvas, (left + self.tree[0] / 2, top + 8), plot::text(16), (HPos::Center, VPos::Top), &words)?;
            }
            Literal::Wire { signal, inverted } => {
                let (x, y) = at(signal as usize);
                line((x, y), (x, top), true)?;
                if inverted {
                    let circle = (x, y - GATE[1] / 2 - 5);
                    canvas.draw(&Circle::new(circle, 5, WHITE.filled()))?;
                    canvas.draw(&Circle::new(circle, 5, INK.stroke_width(2)))?;
                }
            }
        }
        for (leaf, read) in unit.leaves.iter().enumerate() {
            let (x, y) = at(leaf);
            let corner = (x - LEAF / 2, y - LEAF / 2);
            if matters[leaf] {
                fill(canvas, corner, (LEAF, LEAF), colours[&read.channel])?;
                letter(canvas, (x, y), leaf, WHITE)?;
            } else {
                fill(canvas, corner, (LEAF, LEAF), WHITE)?;
                frame(canvas, corner, (LEAF, LEAF))?;
                letter(canvas, (x, y), leaf, PALE)?;
            }
        }
        for (j, gate) in unit.gates.iter().enumerate() {
            let (x, y) = at(leaves + j);
            let corner = (x - GATE[0] / 2, y - GATE[1] / 2);
            let is_live = matters[leaves + j];
            fill(canvas, corner, (GATE[0], GATE[1]), WHITE)?;
            let style = if is_live { BLUE } else { PALE }.stroke_width(1);
            canvas.draw(&Rectangle::new([corner, (corner.0 + GATE[0], corner.1 + GATE[1])], style))?;
            let words = plot::text(14).color(if is_live { &INK } else { &PALE });
            write(canvas, (x, y), words, (HPos::Center, VPos::Center), gate_name(gate))?;
        }
        Ok(())
    }

    fn draw_places(&self, canvas: &Canvas, i: usize) -> Drawn {
        let Some((bytes, scale, map)) = &self.image else { return Ok(()) };
        let (left, top) = self.image_at(i);
        let shape = self.netlist.image;
        let size = scale * shape.height.max(shape.width) as i32;
        draw_image(canvas, shape, bytes, (left, top), size)?;
        let [rows, columns] = self.stage.grid.outputs();
        let map = &map[(self.first + i) * rows * columns..][..rows * columns];
        let (down, right) = (self.along(0), self.along(1));
        let clip = |(from, to): (i32, i32), size: usize| (from.max(0) * scale, to.min(size as i32) * scale);
        for place in (0..map.len()).filter(|&place| map[place]) {
            let (y, y_end) = clip(down(place / columns), shape.height);
            let (x, x_end) = clip(right(place % columns), shape.width);
            if y < y_end && x < x_end {
                let corners = [(left + x, top + y), (left + x_end, top + y_end)];
                canvas.draw(&Rectangle::new(corners, ORANGE.mix(0.7).filled()))?;
            }
        }
        Ok(())
    }

    /// The rows (`axis` 0) or columns of the image that lie in the middle of the window, or windows, of an output.
    fn along(&self, axis: usize) -> impl Fn(usize) -> (i32, i32) {
        let (mut step, mut start) = (1, 0);
        for stage in &self.netlist.stages[..=self.number] {
            start += step * ((stage.grid.kernel[axis] as i32 - 1) / 2 - stage.grid.pad as i32);
            step *= (stage.grid.stride * stage.grid.pool) as i32;
        }
        move |output| (start + output as i32 * step, start + (output as i32 + 1) * step)
    }
}

/// A leaf's letter around `middle`.
fn letter(canvas: &Canvas, middle: (i32, i32), leaf: usize, colour: Rgb) -> Drawn {
    let letter = char::from(b'a' + (leaf % 26) as u8).to_string();
    write(canvas, middle, plot::text(15).color(&colour), (HPos::Center, VPos::Center), &letter)
}

/// A colour for each channel that the unit's value hangs on.
fn colours(unit: &Unit, matters: &[bool]) -> BTreeMap<u32, Rgb> {
    let read: BTreeSet<u32> =
        unit.leaves.iter().zip(matters).filter(|(_, m)| **m).map(|(leaf, _)| leaf.channel).collect();
    read.into_iter().zip(COLOURS.into_iter().cycle()).collect()
}

fn gate_name(gate: &Lut) -> &'static str {
    match (gate.arity, gate.table) {
        (2, table) => SHORT_NAMES[function_number(table)],
        (1, 0b10) => "=",
        (1, 0b01) => "NOT",
        (_, 0) => "FALSE",
        _ => "TRUE",
    }
}

/// Whether a gate's output ever changes with its pin.
fn depends(gate: &Lut, pin: usize) -> bool {
    let bit = 1 << (usize::from(gate.arity) - 1 - pin);
    (0..1u32 << gate.arity).any(|code| gate.output(code) != gate.output(code ^ bit))
}

/// `[node]`: whether the unit's value hangs on it by gates that depend on what they read.
fn matters(unit: &Unit) -> Vec<bool> {
    let leaves = unit.leaves.len();
    let mut matters = vec![false; leaves + unit.gates.len()];
    if let Literal::Wire { signal, .. } = unit.root {
        matters[signal as usize] = true;
    }
    for (j, gate) in unit.gates.iter().enumerate().rev().filter(|(_, gate)| gate.arity > 0) {
        if matters[leaves + j] {
            gate.inputs().iter().enumerate().for_each(|(pin, &n)| matters[n as usize] |= depends(gate, pin));
        }
    }
    matters
}

/// `[node]`: gates on the longest path to it; leaves are at 0.
fn levels(unit: &Unit) -> Vec<usize> {
    let mut levels = vec![0; unit.leaves.len()];
    for gate in &unit.gates {
        let below = gate.inputs().iter().map(|&n| levels[n as usize]).max();
        levels.push(below.unwrap_or(0) + 1);
    }
    levels
}

/// `[leaf]`: its place from the left, so that lines cross little: in the order in which a walk from the root, first pins first, meets them.
fn order(unit: &Unit) -> Vec<usize> {
    let leaves = unit.leaves.len();
    let mut met = Vec::with_capacity(leaves);
    let mut to_see: Vec<usize> = match unit.root {
        Literal::Constant(_) => Vec::new(),
        Literal::Wire { signal, .. } => vec![signal as usize],
    };
    let mut is_seen = vec![false; leaves + unit.gates.len()];
    while let Some(node) = to_see.pop() {
        if std::mem::replace(&mut is_seen[node], true) {
            continue;
        }
        match node.checked_sub(leaves) {
            None => met.push(node),
            Some(gate) => to_see.extend(unit.gates[gate].inputs().iter().rev().map(|&n| n as usize)),
        }
    }
    met.extend((0..leaves).filter(|&leaf| !is_seen[leaf]));
    let mut place = vec![0; leaves];
    met.into_iter().enumerate().for_each(|(i, leaf)| place[leaf] = i);
    place
}

/// `[node]`: the middle of it, of `width` pixels: leaves side by side, gates above what they read.
fn across(unit: &Unit, levels: &[usize], width: i32) -> Vec<i32> {
    let leaves = unit.leaves.len() as i32;
    let mut across: Vec<i32> = order(unit).into_iter().map(|i| (2 * i as i32 + 1) * width / (2 * leaves)).collect();
    for gate in &unit.gates {
        let pins = gate.inputs();
        let sum: i32 = pins.iter().map(|&n| across[n as usize]).sum();
        across.push(if pins.is_empty() { width / 2 } else { sum / pins.len() as i32 });
    }
    // Gates of a level that share what they read would lie on each other.
    for level in 1..=levels.iter().copied().max().unwrap_or(0) {
        let mut row: Vec<usize> = (0..across.len()).filter(|&n| levels[n] == level).collect();
        row.sort_by_key(|&n| across[n]);
        for i in 1..row.len() {
            across[row[i]] = across[row[i]].max(across[row[i - 1]] + STEP[0]);
        }
        for i in (0..row.len()).rev() {
            let most = if i + 1 < row.len() { across[row[i + 1]] - STEP[0] } else { width - GATE[0] / 2 };
            across[row[i]] = across[row[i]].min(most);
        }
    }
    across
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Grid, Leaf};
    use crate::data::Encoder;

    /// Two trees over one threshold of a 6 × 5 image: (a ∧ ¬b) with a pin above that changes nothing, and what b reads.
    fn netlist() -> Netlist {
        let image = ImageShape { channels: 1, height: 6, width: 5 };
        let grid = Grid { height: 6, width: 5, kernel: [3, 2], stride: 1, pad: 1, pool: 2 };
        let leaf = |dy, dx| Leaf { channel: 0, dy, dx };
        let tree = Unit {
            leaves: vec![leaf(0, 1), leaf(2, 0), leaf(1, 1), leaf(0, 0)],
            gates: vec![Lut::new(0b0100, &[0, 1], 0), Lut::new(0b0110, &[2, 3], 0), Lut::new(0b1100, &[4, 5], 0)],
            root: Literal::Wire { signal: 6, inverted: false },
        };
        let wire = Unit { gates: Vec::new(), root: Literal::Wire { signal: 1, inverted: true }, ..tree.clone() };
        Netlist {
            image,
            encoder: Encoder { pixel: (0..30).collect(), threshold: vec![99; 30] },
            stages: vec![Stage { grid, channels: 1, units: vec![tree, wire], layer: 0 }],
            luts: Vec::new(),
            classes: vec!["only".into()],
            votes: vec![Vec::new()],
            offsets: vec![0],
        }
    }

    #[test]
    fn what_a_gate_ignores_changes_nothing() {
        let [tree, wire] = &netlist().stages[0].units[..] else { unreachable!() };
        assert_eq!(matters(tree), [true, true, false, false, true, false, true]);
        assert_eq!(matters(wire), [false, true, false, false]);
        assert_eq!((gate_name(&tree.gates[0]), gate_name(&tree.gates[1])), ("A&!B", "XOR"));
        for n in 0..4 {
            assert_eq!(levels(tree)[n], 0);
        }
        assert_eq!(levels(tree)[4..], [1, 1, 2]);
        assert_eq!((order(tree), order(wire)), (vec![0, 1, 2, 3], vec![1, 0, 2, 3]));
    }

    #[test]
    fn marked_cells_are_those_that_leaves_read_and_orange_places_those_that_are_1() {
        let netlist = netlist();
        netlist.check().unwrap();
        let bytes: Vec<u8> = (0..30).map(|p| if p % 7 < 3 { 200 } else { 10 }).collect();
        let sheet = Sheet::of(&netlist, 0, 0, Some(&bytes));
        let png = units(&netlist, 0, 0, Some(&bytes)).unwrap().unwrap();
        let picture = image::load_from_memory(&png).unwrap().to_rgb8();
        let colour = |(x, y): (i32, i32)| picture.get_pixel(x as u32, y as u32).0;
        let read = [vec![[0, 1], [2, 0]], vec![[2, 0]]];
        for (i, read) in read.iter().enumerate() {
            let (left, top) = sheet.window_at(i);
            for (y, x) in (0..3).flat_map(|y| (0..2).map(move |x| (y, x))) {
                let Rgb(r, g, b) = if read.contains(&[y, x]) { COLOURS[0] } else { PALE };
                let corner = (left + x * sheet.cell + 1, top + y * sheet.cell + 1);
                assert_eq!(colour(corner), [r, g, b], "unit {i}, ({y}, {x})");
            }
        }
        // An output is of two rows and columns of places. Its window's middle is row 1, column 0, less a row and column of zeros.
        let map = netlist.stages[0].run(&(0..30).map(|f| netlist.encoder.bit(f, &bytes)).collect::<Vec<_>>());
        let ([rows, columns], scale) = (netlist.stages[0].grid.outputs(), sheet.image.as_ref().unwrap().1);
        assert_eq!([rows, columns], [3, 3]);
        assert!(map.contains(&true) && map.contains(&false));
        for i in 0..2 {
            let (left, top) = sheet.image_at(i);
            for (y, x) in (0..6).flat_map(|y| (0..5).map(move |x: usize| (y, x))) {
                let on = map[i * 9 + y / 2 * 3 + x.div_ceil(2)];
                let [red, green, blue] = colour((left + x as i32 * scale + 1, top + y as i32 * scale + 1));
                assert_eq!(red != green || green != blue, on, "unit {i}, ({y}, {x})");
            }
        }
        assert_eq!(units(&netlist, 0, 2, None).unwrap(), None);
        assert_eq!(units(&netlist, 1, 0, None).unwrap(), None);
    }
}
