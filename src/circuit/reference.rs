//! The circuit's meaning, one sample and one gate at a time: what every engine and exporter is tested against.

use super::Netlist;

/// The features of one sample's `image.pixels()` bytes, and the map that each convolution gives of them.
pub fn maps(netlist: &Netlist, bytes: &[u8]) -> Vec<Vec<bool>> {
    let mut maps = vec![(0..netlist.features()).map(|f| netlist.encoder.bit(f, bytes)).collect::<Vec<bool>>()];
    for (i, stage) in netlist.stages.iter().enumerate() {
        maps.push(stage.run(&maps[i]));
    }
    maps
}

/// `[signal]`: the value of every signal for one sample's `image.pixels()` bytes.
pub fn signals(netlist: &Netlist, bytes: &[u8]) -> Vec<bool> {
    let mut values = maps(netlist, bytes).concat();
    for lut in &netlist.luts {
        let code = lut.inputs().iter().fold(0, |code, &s| (code << 1) | u32::from(values[s as usize]));
        values.push(lut.output(code));
    }
    values
}

/// `[class]`: votes for one sample's bytes, offsets included.
pub fn counts(netlist: &Netlist, bytes: &[u8]) -> Vec<u32> {
    let values = signals(netlist, bytes);
    let cast = |votes: &[super::Vote]| votes.iter().filter(|v| values[v.signal as usize] != v.inverted).count() as u32;
    netlist.votes.iter().zip(&netlist.offsets).map(|(votes, offset)| offset + cast(votes)).collect()
}

/// The class with the greatest count, the first among equals.
pub fn argmax(counts: &[u32]) -> u32 {
    (1..counts.len()).fold(0, |best, class| if counts[class] > counts[best] { class } else { best }) as u32
}
