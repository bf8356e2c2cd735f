//! 64 × 64 bytes turned around: rows of 64 lanes become lanes of 64 rows.

/// Bytes of a row, and rows.
pub const SIDE: usize = 64;

/// `[row][byte]`
pub type Square = [u8; SIDE * SIDE];

/// Transpose rows that lie `stride` bytes apart.
///
/// Interleaving the four quarters of 4096 bytes rotates the 12 bits of every byte's address by two; three of these
/// rotations exchange its two halves.
#[inline(always)]
pub fn portable(rows: &[u8], stride: usize, out: &mut Square) {
    let mut aside = [0; SIDE * SIDE];
    for row in 0..16 {
        let lanes = |quarter: usize| &rows[(row + 16 * quarter) * stride..][..SIDE];
        interleave([lanes(0), lanes(1), lanes(2), lanes(3)], &mut out[4 * SIDE * row..][..4 * SIDE]);
    }
    interleave_quarters(out, &mut aside);
    interleave_quarters(&aside, out);
}

#[inline(always)]
fn interleave_quarters(from: &Square, to: &mut Square) {
    for row in 0..16 {
        let lanes = |quarter: usize| &from[(row + 16 * quarter) * SIDE..][..SIDE];
        interleave([lanes(0), lanes(1), lanes(2), lanes(3)], &mut to[4 * SIDE * row..][..4 * SIDE]);
    }
}

/// Byte `i` of quarter `q` becomes byte `4 i + q`. All slices have 64 bytes, `out` has 256.
#[inline(always)]
fn interleave(quarters: [&[u8]; 4], out: &mut [u8]) {
    let mut even = [0u8; 2 * SIDE];
    let mut odd = [0u8; 2 * SIDE];
    for i in 0..SIDE {
        even[2 * i] = quarters[0][i];
        even[2 * i + 1] = quarters[2][i];
        odd[2 * i] = quarters[1][i];
        odd[2 * i + 1] = quarters[3][i];
    }
    for i in 0..2 * SIDE {
        out[2 * i] = even[i];
        out[2 * i + 1] = odd[i];
    }
}

/// [`portable`] in AVX-512's own instructions: bytes move between places of a register only where they must, within 16
/// bytes, which is one cheap instruction; [`portable`] compiles to permutations of two registers, which are two.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub fn avx512(rows: &[u8], stride: usize, out: &mut Square) {
    use std::arch::x86_64::*;
    // Sixteen rows at a time, 16 × 16 bytes in each quarter of a register: interleaving the halves of sixteen registers
    // rotates a byte's address by one bit, and four of these rotations exchange its two halves.
    let mut aside = [[_mm512_setzero_si512(); 16]; 4];
    for (sixteen, aside) in aside.iter_mut().enumerate() {
        let mut a = [_mm512_setzero_si512(); 16];
        for (row, a) in a.iter_mut().enumerate() {
            *a = bytemuck::pod_read_unaligned(&rows[(16 * sixteen + row) * stride..][..SIDE]);
        }
        for _ in 0..4 {
            let mut b = a;
            for i in 0..8 {
                b[2 * i] = _mm512_unpacklo_epi8(a[i], a[i + 8]);
                b[2 * i + 1] = _mm512_unpackhi_epi8(a[i], a[i + 8]);
            }
            a = b;
        }
        *aside = a;
    }
    // 4 × 4 quarters of registers.
    for lane in 0..16 {
        let [a, b, c, d] = [aside[0][lane], aside[1][lane], aside[2][lane], aside[3][lane]];
        let (ab, cd) = (_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0x44>(c, d));
        let (ba, dc) = (_mm512_shuffle_i64x2::<0xEE>(a, b), _mm512_shuffle_i64x2::<0xEE>(c, d));
        let quarters = [
            _mm512_shuffle_i64x2::<0x88>(ab, cd),
            _mm512_shuffle_i64x2::<0xDD>(ab, cd),
            _mm512_shuffle_i64x2::<0x88>(ba, dc),
            _mm512_shuffle_i64x2::<0xDD>(ba, dc),
        ];
        for (quarter, row) in quarters.iter().enumerate() {
            out[(16 * quarter + lane) * SIDE..][..SIDE].copy_from_slice(bytemuck::bytes_of(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn lanes_become_rows() {
        let mut rng = Philox::new(3, 0);
        for stride in [64, 65, 832] {
            let rows: Vec<u8> = (0..63 * stride + 64).map(|_| rng.below(256) as u8).collect();
            let check = |out: &Square| {
                for (place, &byte) in out.iter().enumerate() {
                    assert_eq!(byte, rows[place % SIDE * stride + place / SIDE], "place {place}, stride {stride}");
                }
            };
            let mut out = [0; SIDE * SIDE];
            portable(&rows, stride, &mut out);
            check(&out);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                out.fill(0);
                // SAFETY: both features were just detected.
                unsafe { avx512(&rows, stride, &mut out) };
                check(&out);
            }
        }
    }
}
