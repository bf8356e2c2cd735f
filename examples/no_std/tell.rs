//! Tell digits of 8 x 8 bytes: `cargo run --manifest-path examples/no_std/Cargo.toml`.

#[rustfmt::skip]
const FOUR: [u8; digits::PIXELS] = [
    0, 0, 0, 111, 206, 0, 0, 0,
    0, 0, 0, 222, 95, 0, 0, 0,
    0, 0, 159, 159, 31, 95, 0, 0,
    0, 47, 254, 47, 143, 206, 31, 0,
    0, 174, 190, 95, 222, 254, 159, 0,
    0, 174, 254, 254, 254, 159, 47, 0,
    0, 31, 127, 159, 254, 15, 0, 0,
    0, 0, 0, 143, 206, 0, 0, 0,
];

fn main() {
    println!("a {} by the votes {:?}", digits::class(&FOUR), digits::counts(&FOUR));
}
