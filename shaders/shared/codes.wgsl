// A gate of ARITY inputs: its input codes, and the u32 words of its table.
#needs ARITY

const CODES: u32 = 1u << ARITY;
const TABLE_WORDS: u32 = (CODES + 31u) / 32u;
