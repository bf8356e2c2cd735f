// Rows of the input bits, or of a layer, to their place among the rows of everything before a layer that reads it all: UNITS words, or
// (WIDE) fours of words, from unit FIRST on.
#needs WORKGROUP FIRST UNITS
#if WIDE
alias Unit = vec4<u32>;
#else
alias Unit = u32;
#endif

var<storage, read> source: array<Unit>;
var<storage, read_write> rows: array<Unit>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var i = wid.x * WORKGROUP + lane; i < UNITS; i += count.x * WORKGROUP) {
        rows[FIRST + i] = source[i];
    }
}
