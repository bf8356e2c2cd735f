//! The discretized network: a netlist of look-up tables, run on packed words.
