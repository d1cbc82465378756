import java.io.OutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import javax.net.ssl.HttpsURLConnection;

/** Posts to telemetry.example.test by both clients that Java brings, and prints the answers. */
class Post {
    public static void main(String[] words) throws Exception {
        URI old = URI.create("https://telemetry.example.test/old");
        HttpsURLConnection made = (HttpsURLConnection) old.toURL().openConnection();
        made.setDoOutput(true);
        try (OutputStream body = made.getOutputStream()) {
            body.write("{\"client\": \"HttpsURLConnection\"}".getBytes());
        }
        System.out.println(new String(made.getInputStream().readAllBytes()));

        HttpRequest request = HttpRequest.newBuilder(URI.create("https://telemetry.example.test/new"))
            .POST(HttpRequest.BodyPublishers.ofString("{\"client\": \"HttpClient\"}"))
            .build();
        HttpClient client = HttpClient.newHttpClient();
        System.out.println(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
