// C calls for orderly-allocator; handles are its 8 bytes.
use orderly_allocator::{Allocation, Allocator};

#[no_mangle]
pub extern "C" fn bench_orderly_new(capacity: u32) -> *mut Allocator {
    Box::into_raw(Box::new(Allocator::new(capacity)))
}

#[no_mangle]
pub unsafe extern "C" fn bench_orderly_alloc(it: *mut Allocator, size: u32) -> u64 {
    match (*it).alloc(size) {
        Some(block) => core::mem::transmute::<Allocation, u64>(block),
        None => u64::MAX,
    }
}

#[no_mangle]
pub unsafe extern "C" fn bench_orderly_free(it: *mut Allocator, block: u64) {
    (*it).free(core::mem::transmute::<u64, Allocation>(block));
}
