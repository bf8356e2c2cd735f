//! Vector instructions that training is compiled for. A type of its own beside the circuit engine's: each vouches for what its own
//! code asks of AVX-512 (VNNI here, VBMI there), and machines have one without the other.

/// Which vector instructions a step runs on. The numbers are the same on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simd {
    /// 512 bits: AVX-512 F, BW, VL and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every machine of this architecture has.
    Portable,
}

impl Simd {
    /// All that this machine has, the fastest first.
    pub fn available() -> Vec<Simd> {
        let portable = std::iter::once(Simd::Portable);
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            let avx2 = is_x86_feature_detected!("avx2");
            let wide = [(avx512, Simd::Avx512), (avx2, Simd::Avx2)];
            wide.into_iter().filter(|(has, _)| *has).map(|(_, simd)| simd).chain(portable).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        portable.collect()
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => "AVX2",
            Simd::Portable => "portable",
        }
    }
}
