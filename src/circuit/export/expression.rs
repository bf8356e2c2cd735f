//! A LUT as an expression of bitwise operators.

/// How a language writes the operators that differ.
#[derive(Debug, Clone, Copy)]
pub struct Syntax {
    /// Bitwise complement.
    pub not: &'static str,
    /// No bit set.
    pub zero: &'static str,
    /// Every bit set.
    pub one: &'static str,
}

/// C.
pub const C: Syntax = Syntax { not: "~", zero: "UINT64_C(0)", one: "~UINT64_C(0)" };
/// Rust.
pub const RUST: Syntax = Syntax { not: "!", zero: "0", one: "!0" };
/// Verilog, of single bits.
pub const VERILOG: Syntax = Syntax { not: "~", zero: "1'b0", one: "1'b1" };

/// The table as an expression over `operands`, the first being the highest bit of the code; no outer parentheses.
pub fn lut(table: u64, operands: &[String], syntax: Syntax) -> String {
    let codes = 1u32 << operands.len();
    let ones = if codes == 64 { u64::MAX } else { (1 << codes) - 1 };
    if table & ones == 0 {
        return syntax.zero.to_string();
    }
    if table & ones == ones {
        return syntax.one.to_string();
    }
    let Some((x, rest)) = operands.split_first() else { return syntax.one.to_string() };
    let half = ones >> (codes / 2);
    let (low, high) = (table & half, (table >> (codes / 2)) & half);
    let not = syntax.not;
    let operand = |table: u64| {
        let text = lut(table, rest, syntax);
        if text.contains(' ') { format!("({text})") } else { text }
    };
    if low == high {
        lut(low, rest, syntax)
    } else if low == 0 && high == half {
        x.clone()
    } else if low == half && high == 0 {
        format!("{not}{x}")
    } else if low == 0 {
        format!("{x} & {}", operand(high))
    } else if high == 0 {
        format!("{not}{x} & {}", operand(low))
    } else if high == half {
        format!("{x} | {}", operand(low))
    } else if low == half {
        format!("{not}{x} | {}", operand(high))
    } else if low == !high & half {
        format!("{x} ^ {}", operand(low))
    } else {
        format!("({x} & {}) | ({not}{x} & {})", operand(high), operand(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Easy to read.
    const PLAIN: Syntax = Syntax { not: "~", zero: "0", one: "1" };

    fn text(table: u64, operands: &[&str]) -> String {
        lut(table, &operands.iter().map(|s| s.to_string()).collect::<Vec<_>>(), PLAIN)
    }

    #[test]
    fn tables_read_as_people_write_them() {
        assert_eq!(text(0b1000, &["a", "b"]), "a & b");
        assert_eq!(text(0b0100, &["a", "b"]), "a & ~b");
        assert_eq!(text(0b0110, &["a", "b"]), "a ^ b");
        assert_eq!(text(0b1001, &["a", "b"]), "a ^ ~b");
        assert_eq!(text(0b0001, &["a", "b"]), "~a & ~b");
        assert_eq!(text(0b1010, &["a", "b"]), "b");
        assert_eq!(text(0b1110_1000, &["a", "b", "c"]), "(a & (b | c)) | (~a & (b & c))");
        assert_eq!(text(1, &[]), "1");
        assert_eq!(text(0, &[]), "0");
        assert_eq!(text(u64::MAX, &["a", "b", "c", "d", "e", "f"]), "1");
    }
}
