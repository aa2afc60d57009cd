using Myostream;
using UnityEngine;

/// <summary>An object that closes while a fist is made, as far as it is strong, and opens when the fist ends.</summary>
public sealed class FollowTheHand : MonoBehaviour
{
    [SerializeField] private MyostreamClient client;
    [SerializeField] private string gesture = "fist"; // as the model calls it
    [SerializeField] private float speed = 8; // of the whole way in a second

    private float closed; // 0..1

    private void OnEnable()
    {
        client.onGestureBegan.AddListener(Began);
        client.onGestureEnded.AddListener(Ended);
    }

    private void OnDisable()
    {
        client.onGestureBegan.RemoveListener(Began);
        client.onGestureEnded.RemoveListener(Ended);
    }

    private void Update()
    {
        bool held = client.Gesture != null && client.Gesture.Gesture == gesture;
        closed = Mathf.MoveTowards(closed, held ? client.Strength : 0, speed * Time.deltaTime);
        transform.localScale = Vector3.one * (1 - 0.6f * closed);
    }

    private void Began(GestureEvent began)
    {
        Debug.Log($"{began.Gesture} began, {began.Strength:P0} strong");
    }

    private void Ended(GestureEvent ended)
    {
        Debug.Log($"{ended.Gesture} ended after {ended.HeldSeconds:F1} s ({ended.Reason})");
    }
}
