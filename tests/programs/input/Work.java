import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/** Work for java.sh: what takes memory from malloc (direct buffers, zip, threads, the compiler). Exits with 8. */
public class Work {
    static long crc(byte[] data) {
        CRC32 crc = new CRC32();
        crc.update(data);
        return crc.getValue();
    }

    static long buffers(int seed) {
        ByteBuffer[] kept = new ByteBuffer[64];
        long x = seed;
        long sum = 0;
        for (int i = 0; i < 3000; i++) {
            x = (x * 1103515245L + 12345) & 0x7fffffffL;
            int slot = (int) (x >> 8) & 63;
            if (kept[slot] != null) {
                sum = sum * 31 + kept[slot].getInt(kept[slot].capacity() - 4);
            }
            kept[slot] = ByteBuffer.allocateDirect((int) (x >> 8) % 60000 + 4);
            kept[slot].putInt(kept[slot].capacity() - 4, i);
        }
        return sum;
    }

    static String zip(int seed) throws Exception {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 30000; i++) {
            text.append(i * seed % 9973).append(' ');
        }
        byte[] plain = text.toString().getBytes("UTF-8");
        long sum = 0;
        for (int round = 0; round < 3; round++) {
            ByteArrayOutputStream packed = new ByteArrayOutputStream();
            try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
                out.write(plain);
            }
            try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(packed.toByteArray()))) {
                sum += crc(in.readAllBytes()) + packed.size();
            }
        }
        return Long.toHexString(sum) + (sum == 3 * crc(plain) ? "!" : "");
    }

    static int objects() {
        TreeMap<String, List<Integer>> map = new TreeMap<>();
        for (int i = 0; i < 150000; i++) {
            map.computeIfAbsent("k" + i * 7919L % 20011, k -> new ArrayList<>()).add(i);
        }
        return map.toString().hashCode();
    }

    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<String>> results = new ArrayList<>();
        for (int n = 1; n <= 6; n++) {
            final int seed = n;
            results.add(pool.submit(() -> seed + ": " + buffers(seed) + " " + zip(seed)));
        }
        for (Future<String> result : results) {
            System.out.println(result.get());
        }
        pool.shutdown();
        for (int i = 0; i < 100; i++) {
            Thread thread = new Thread(() -> ByteBuffer.allocateDirect(1000));
            thread.start();
            thread.join();
        }
        System.out.println(objects());
        System.exit(8);
    }
}
