//! What a step changes and a later step reads, as bytes: what a checkpoint keeps of a trainer.

/// Everything on the device that a step changes and a later step reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In the trainer's order.
    pub tensors: Vec<Tensor>,
}

/// A named buffer of 32-bit values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Unique in its state.
    pub name: String,
    /// Little-endian, a whole number of words.
    pub bytes: Vec<u8>,
}

impl State {
    /// The tensor called `name`, which must hold `bytes` bytes; the error is a sentence.
    pub fn tensor(&self, name: &str, bytes: u64) -> std::result::Result<&[u8], String> {
        let found = self.tensors.iter().find(|t| t.name == name).ok_or(format!("it has no tensor {name}"))?;
        if found.bytes.len() as u64 == bytes {
            return Ok(&found.bytes);
        }
        Err(format!("its tensor {name} has {} bytes where this run has {bytes}", found.bytes.len()))
    }
}
