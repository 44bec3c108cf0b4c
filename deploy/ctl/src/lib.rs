//! Runs, changes and measures Airside: the local mesh, its rules, demo footage and load.
