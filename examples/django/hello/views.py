import os
import time

from django.http import HttpResponse
from django.shortcuts import render


def index(request):
    return render(request, "hello.html", {"pid": os.getpid(), "scheme": request.scheme})


def slow(request):
    """Holds its thread for a second."""
    time.sleep(1)
    return HttpResponse("that took a second\n", content_type="text/plain")
