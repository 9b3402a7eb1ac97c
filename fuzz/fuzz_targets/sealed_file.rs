//! A sealed file that somebody has tampered with: it opens as what was sealed, or not at all.
#![no_main]

use alcyon_files::{ChunkOpener, Opener, Sealer};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((steps, file)) = data.split_at_checked(24) else { return };
    // As long as several chunks, whatever the input.
    let file: Vec<u8> = file.iter().copied().cycle().take(file.len() * (1 + usize::from(steps[0]) * 8)).take(1 << 18).collect();
    let mut sealed = Vec::new();
    let reference = Sealer::new(file.len() as u64).expect("small").seal(&mut &*file, &mut sealed).expect("from memory");
    for step in steps[1..].chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([step[1], step[2]])) * 64;
        let length = sealed.len();
        match step[0] % 6 {
            0 if at < length => sealed[at] ^= step[3],
            1 => sealed.truncate(length.saturating_sub(at)),
            2 => sealed.extend(std::iter::repeat_n(step[3], usize::from(step[1]))),
            3 if at < length => sealed.rotate_left(at),
            4 if at * 2 < length => sealed.copy_within(at..at * 2, 0),
            _ => {}
        }
    }
    let mut opened = Vec::new();
    if Opener::new(&reference).open(&mut sealed.as_slice(), &mut opened).is_ok() {
        assert_eq!(opened, file);
    }
    let (chunk, mut part) = (u32::from(steps[0]), sealed);
    if ChunkOpener::new(&reference).open(chunk, &mut part).is_ok() {
        let range = reference.shape().content_range(chunk).expect("it was opened");
        assert_eq!(part, file[range.start as usize..range.end as usize]);
    }
});
