//! Pictures of a circuit: its gates' functions, the pixels it reads, its gates on one image.

use plotters::prelude::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, TextStyle};

use super::{Census, Netlist, Stage, reference};
use crate::data::ImageShape;
use crate::plot::{self, BLUE, Canvas, Drawn, INK, ORANGE, PALE, Rgb};
use crate::{Error, Result};

/// Short names of the two-input functions, in the field's order.
pub(super) const SHORT_NAMES: [&str; 16] =
    ["FALSE", "AND", "A&!B", "A", "!A&B", "B", "XOR", "OR", "NOR", "XNOR", "!B", "A|!B", "!A", "!A|B", "NAND", "TRUE"];
pub(super) const MARGIN: i32 = 24;

/// Share of each two-input function in every layer, a panel a layer.
///
/// # Errors
/// [`Error::Usage`] if there is no two-input gate.
pub fn gate_types(census: &Census) -> Result<Vec<u8>> {
    const PANEL: i32 = 160;
    const HEAD: i32 = 50;
    let total: usize = census.by_function.iter().sum();
    if total == 0 {
        return Err(Error::usage("functions are drawn of gates of two inputs, and this network has none"));
    }
    let layers: Vec<_> =
        census.layers.iter().enumerate().filter(|(_, l)| l.by_function.iter().any(|&n| n > 0)).collect();
    let share =
        |counts: &[usize; 16], number: usize| counts[number] as f64 / counts.iter().sum::<usize>().max(1) as f64;
    let most = layers.iter().flat_map(|(_, l)| (0..16).map(move |n| share(&l.by_function, n))).fold(0.0, f64::max);
    let (width, column) = (1180, 70);
    plot::png(width, (HEAD + PANEL * layers.len() as i32 + 44) as u32, |canvas| {
        write(canvas, (MARGIN, 18), plot::text(26), (HPos::Left, VPos::Top), "Gates by function")?;
        for (i, (number, layer)) in layers.iter().enumerate() {
            let bottom = HEAD + PANEL * (i as i32 + 1);
            let gates: usize = layer.by_function.iter().sum();
            let title = format!("layer {number}: {gates} gates");
            write(canvas, (MARGIN, bottom - PANEL + 10), plot::text(17), (HPos::Left, VPos::Top), &title)?;
            fill(canvas, (MARGIN, bottom), (width as i32 - 2 * MARGIN, 1), INK)?;
            for (function, name) in SHORT_NAMES.iter().enumerate() {
                let share = share(&layer.by_function, function);
                let left = MARGIN + 14 + column * function as i32;
                let top = bottom - (share / most * f64::from(PANEL - 64)).round() as i32;
                fill(canvas, (left, top), (column - 14, bottom - top), BLUE)?;
                let middle = left + (column - 14) / 2;
                if share > 0.0 {
                    let percent = format!("{:.1} %", share * 100.0);
                    write(canvas, (middle, top - 3), plot::text(17), (HPos::Center, VPos::Bottom), &percent)?;
                }
                if i + 1 == layers.len() {
                    let place = (HPos::Center, VPos::Top);
                    write(canvas, (middle, bottom + 7), plot::text(17), place, name)?;
                }
            }
        }
        Ok(())
    })
}

/// How many pins and votes read each pixel, as a heat map over the image, a map a channel.
pub fn input_use(netlist: &Netlist) -> Result<Vec<u8>> {
    let ImageShape { channels, height, width } = netlist.image;
    let uses = super::pixel_use(netlist);
    let most = uses.iter().copied().max().unwrap_or(0).max(1);
    let cell = (480 / width.max(height).max(1)).max(1) as i32;
    let (map_width, map_height) = (cell * width as i32, cell * height as i32);
    let full_width = (2 * MARGIN + (map_width + MARGIN) * channels as i32 + 90).max(420);
    plot::png(full_width as u32, (96 + map_height.max(160) + MARGIN) as u32, |canvas| {
        let live = uses.iter().filter(|&&n| n > 0).count();
        let title = format!("Gates that read each pixel: {live} of {} pixels are read", uses.len());
        write(canvas, (MARGIN, 18), plot::text(20), (HPos::Left, VPos::Top), &title)?;
        let top = 80;
        for channel in 0..channels {
            let left = MARGIN + (map_width + MARGIN) * channel as i32;
            if channels > 1 {
                let name = format!("channel {channel}");
                write(canvas, (left, top - 6), plot::text(17), (HPos::Left, VPos::Bottom), &name)?;
            }
            for (p, &n) in uses[channel * height * width..(channel + 1) * height * width].iter().enumerate() {
                let at = (left + cell * (p % width) as i32, top + cell * (p / width) as i32);
                square(canvas, at, cell, heat(f64::from(n) / f64::from(most)))?;
            }
            frame(canvas, (left, top), (map_width, map_height))?;
        }
        let (left, steps) = (MARGIN + (map_width + MARGIN) * channels as i32, map_height.max(160));
        for step in 0..steps {
            let y = top + steps - 1 - step;
            let color = heat(f64::from(step) / f64::from(steps - 1));
            fill(canvas, (left, y), (18, 1), color)?;
        }
        frame(canvas, (left, top), (18, steps))?;
        let ticks = if most > 1 { vec![0, most / 2, most] } else { vec![0, most] };
        for tick in ticks {
            let y = top + steps - (f64::from(tick) / f64::from(most) * f64::from(steps)).round() as i32;
            write(canvas, (left + 26, y), plot::text(17), (HPos::Left, VPos::Center), &tick.to_string())?;
        }
        Ok(())
    })
}

/// The image, the votes it gets, the map that every unit of a convolution makes of it and every gate that it turns on, layer by
/// layer, under `answer`, what the network says of
/// it; the bars of the outputs `told` stand out. `bytes` is one sample.
pub fn gates_on(netlist: &Netlist, bytes: &[u8], answer: &str, told: &[usize]) -> Result<Vec<u8>> {
    const WIDTH: i32 = 1100;
    let values = reference::signals(netlist, bytes);
    let counts = reference::counts(netlist, bytes);
    let maps = reference::maps(netlist, bytes);
    let maps: Vec<Maps> = netlist.stages.iter().zip(&maps[1..]).map(|(s, map)| Maps::of(s, map, WIDTH)).collect();
    let layers = netlist.stages.len() as u32..netlist.luts.iter().map(|l| l.layer + 1).max().unwrap_or(0);
    let of_layer = |layer: u32| -> Vec<bool> {
        let luts = netlist.luts.iter().zip(&values[netlist.inputs()..]);
        luts.filter(|(lut, _)| lut.layer == layer).map(|(_, &on)| on).collect()
    };
    let layers: Vec<Vec<bool>> = layers.map(of_layer).collect();
    let most_gates = layers.iter().map(Vec::len).max().unwrap_or(0);
    let cell: i32 = if most_gates > 40_000 {
        2
    } else if most_gates > 8_000 {
        4
    } else {
        7
    };
    let columns = (WIDTH - 2 * MARGIN) / cell;
    let rows = |gates: usize| gates.div_ceil(columns as usize) as i32;
    let bars = 22 * counts.len() as i32;
    let picture = 224;
    let head = 70 + picture.max(bars) + MARGIN;
    let of_maps = maps.iter().map(Maps::height).sum::<i32>();
    let height = layers.iter().map(|l| 34 + rows(l.len()) * cell + 10).sum::<i32>() + of_maps + head + MARGIN;
    plot::png(WIDTH as u32, height as u32, |canvas| {
        let title = format!("Gates that are on; {answer}");
        write(canvas, (MARGIN, 18), plot::text(26), (HPos::Left, VPos::Top), &title)?;
        draw_image(canvas, netlist.image, bytes, (MARGIN, 70), picture)?;
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let (name_end, scale) = (MARGIN + picture + 150, f64::from(WIDTH - MARGIN - 60 - (MARGIN + picture + 160)));
        for (class, &count) in counts.iter().enumerate() {
            let middle = 70 + 22 * class as i32 + 11;
            let place = (HPos::Right, VPos::Center);
            write(canvas, (name_end, middle), plot::text(17), place, &netlist.classes[class])?;
            let end = name_end + 10 + (f64::from(count) / f64::from(most) * scale) as i32;
            let color = if told.contains(&class) { ORANGE } else { BLUE };
            fill(canvas, (name_end + 10, middle - 7), (end - name_end - 10, 14), color)?;
            let place = (HPos::Left, VPos::Center);
            write(canvas, (end + 6, middle), plot::text(16), place, &count.to_string())?;
        }
        let mut top = head;
        for (number, maps) in maps.iter().enumerate() {
            maps.draw(canvas, number, top)?;
            top += maps.height();
        }
        for (number, gates) in (maps.len()..).zip(&layers) {
            let on = gates.iter().filter(|&&on| on).count();
            let share = on as f64 / gates.len().max(1) as f64 * 100.0;
            let title = format!("layer {number}: {on} of {} gates on, {share:.0} %", gates.len());
            write(canvas, (MARGIN, top + 6), plot::text(17), (HPos::Left, VPos::Top), &title)?;
            for (i, &on) in gates.iter().enumerate() {
                let (column, row) = (i as i32 % columns, i as i32 / columns);
                let at = (MARGIN + column * cell, top + 32 + row * cell);
                square(canvas, at, cell - 1, if on { ORANGE } else { PALE })?;
            }
            top += 34 + rows(gates.len()) * cell + 10;
        }
        Ok(())
    })
}

/// The maps of a convolution's units, side by side.
struct Maps<'a> {
    /// `[unit][row][column]`
    map: &'a [bool],
    units: usize,
    rows: i32,
    columns: i32,
    /// Pixels of a bit.
    cell: i32,
    /// Maps in a line.
    line: i32,
}

impl<'a> Maps<'a> {
    const GAP: i32 = 4;

    fn of(stage: &Stage, map: &'a [bool], width: i32) -> Self {
        let [rows, columns] = stage.grid.outputs().map(|n| n as i32);
        let cell = match map.len() {
            40_001.. => 1,
            8_001.. => 2,
            _ => 4,
        };
        let line = ((width - 2 * MARGIN) / (columns * cell + Self::GAP)).max(1);
        Maps { map, units: stage.units.len(), rows, columns, cell, line }
    }

    fn height(&self) -> i32 {
        34 + self.units.div_ceil(self.line as usize) as i32 * (self.rows * self.cell + Self::GAP) + 10
    }

    fn draw(&self, canvas: &Canvas, number: usize, top: i32) -> Drawn {
        let on = self.map.iter().filter(|&&on| on).count();
        let share = on as f64 / self.map.len().max(1) as f64 * 100.0;
        let title = format!(
            "layer {number}: what {} trees give at {} x {} places each, {share:.0} % on",
            self.units, self.rows, self.columns
        );
        write(canvas, (MARGIN, top + 6), plot::text(17), (HPos::Left, VPos::Top), &title)?;
        let size = (self.columns * self.cell, self.rows * self.cell);
        for (u, map) in self.map.chunks_exact((self.rows * self.columns) as usize).enumerate() {
            let (column, row) = (u as i32 % self.line, u as i32 / self.line);
            let at = (MARGIN + column * (size.0 + Self::GAP), top + 32 + row * (size.1 + Self::GAP));
            fill(canvas, at, size, PALE)?;
            for (bit, _) in map.iter().enumerate().filter(|(_, on)| **on) {
                let (y, x) = (bit as i32 / self.columns, bit as i32 % self.columns);
                square(canvas, (at.0 + x * self.cell, at.1 + y * self.cell), self.cell, ORANGE)?;
            }
        }
        Ok(())
    }
}

/// `bytes` scaled by whole steps to at most `size` pixels a side, top left at `at`.
pub(super) fn draw_image(canvas: &Canvas, shape: ImageShape, bytes: &[u8], at: (i32, i32), size: i32) -> Drawn {
    let ImageShape { channels, height, width } = shape;
    let cell = (size / width.max(height) as i32).max(1);
    let plane = height * width;
    for p in 0..plane {
        let channel = |c: usize| bytes[if channels > c { c } else { 0 } * plane + p];
        let color = Rgb(channel(0), channel(1), channel(2));
        square(canvas, (at.0 + cell * (p % width) as i32, at.1 + cell * (p / width) as i32), cell, color)?;
    }
    frame(canvas, at, (cell * width as i32, cell * height as i32))
}

/// White over blue to near black, dark for much (`share` 1); a pixel that nothing reads stays white.
fn heat(share: f64) -> Rgb {
    let stops = [(0.0, [255.0, 255.0, 255.0]), (0.35, [148.0, 190.0, 226.0]), (0.7, [31.0, 98.0, 168.0])];
    let stops = [stops[0], stops[1], stops[2], (1.0, [10.0, 26.0, 70.0])];
    let at = stops.windows(2).find(|w| share <= w[1].0).unwrap_or(&stops[2..]);
    let part = ((share - at[0].0) / (at[1].0 - at[0].0)).clamp(0.0, 1.0);
    let mix = |c: usize| (at[0].1[c] + part * (at[1].1[c] - at[0].1[c])).round() as u8;
    Rgb(mix(0), mix(1), mix(2))
}

/// `size` pixels of one colour; plotters leaves the last row and column of a filled rectangle out.
pub(super) fn fill(canvas: &Canvas, at: (i32, i32), size: (i32, i32), color: Rgb) -> Drawn {
    Ok(canvas.draw(&Rectangle::new([at, (at.0 + size.0, at.1 + size.1)], color.filled()))?)
}

fn square(canvas: &Canvas, at: (i32, i32), size: i32, color: Rgb) -> Drawn {
    fill(canvas, at, (size.max(1), size.max(1)), color)
}

pub(super) fn frame(canvas: &Canvas, at: (i32, i32), size: (i32, i32)) -> Drawn {
    Ok(canvas.draw(&Rectangle::new([(at.0 - 1, at.1 - 1), (at.0 + size.0, at.1 + size.1)], PALE.stroke_width(1)))?)
}

pub(super) fn write(canvas: &Canvas, at: (i32, i32), style: TextStyle, (h, v): (HPos, VPos), words: &str) -> Drawn {
    Ok(canvas.draw(&Text::new(words, at, style.pos(Pos::new(h, v))))?)
}
