// g where `chosen` has a sample's bit, negated where `negative` has it too; sample i of g is bit `first` + i.
fn signed(g: vec4<f32>, chosen: u32, negative: u32, first: u32) -> vec4<f32> {
    let up = vec4<u32>(31u, 30u, 29u, 28u) - vec4<u32>(first);
    let mask = bitcast<vec4<u32>>(bitcast<vec4<i32>>(vec4<u32>(chosen) << up) >> vec4<u32>(31u));
    let sign = (vec4<u32>(negative) << up) & vec4<u32>(0x80000000u);
    return bitcast<vec4<f32>>((bitcast<vec4<u32>>(g) & mask) ^ sign);
}
